"""What a notebook's first cells need: packages, the backend, short errors, and a folder to work in.

Imports nothing but the standard library before the packages are there.
"""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any

from preprocess.utils.command import sentence_of
from preprocess.utils.errors import UserError
from preprocess.utils.quiet import import_keras

# Import names and the packages that bring them; Colab has most. CLIP imports pkg_resources.
PACKAGES = {
    "numpy": "numpy",
    "pkg_resources": "setuptools",
    "wheel": "wheel",
    "sklearn": "scikit-learn",
    "ftfy": "ftfy",
    "regex": "regex",
    "simplejpeg": "simplejpeg",
    "pydantic": "pydantic",
    "typing_extensions": "typing_extensions",
    "pycocotools": "pycocotools",
    "tqdm": "tqdm",
    "matplotlib": "matplotlib",
    "PIL": "pillow",
    "torch": "torch",
    "torchvision": "torchvision",
    "keras": "keras",
    "tensorflow": "tensorflow",
    "tensorboard": "tensorboard",
}
# Never changed by an installation where they are there already.
KEPT = ("tensorflow", "tensorflow-cpu", "keras", "torch", "torchvision", "numpy", "jax", "jaxlib")
# In the coursework's order: OpenAI's own repository, and the package index where that cannot be reached. Its setup
# imports pkg_resources, which pip's isolated builds lack by now.
CLIP_SOURCES = (["--no-build-isolation", "git+https://github.com/openai/CLIP.git"], ["clip-anytorch"])
REQUIREMENTS = pathlib.Path(__file__).parents[2] / "requirements.txt"


def set_up() -> None:
    """Installs what is missing, chooses the backend, makes errors one sentence, and prints versions and device."""
    _shorten_errors()
    _install_missing()
    if _has_tpu():
        os.environ["KERAS_BACKEND"] = "jax"
    keras = import_keras()
    versions = [f"{name} {_version(name)}" for name in ("tensorflow", "keras", "torch", "jax") if _version(name)]
    print(f"Python {sys.version.split()[0]}, {', '.join(versions)}")
    print(f"Keras runs on {keras.backend.backend()}, on {_device(keras)}.")


def _has_tpu():
    return "TPU_ACCELERATOR_TYPE" in os.environ or "COLAB_TPU_ADDR" in os.environ


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device(keras):
    if keras.backend.backend() == "jax":
        import jax

        return str(jax.devices()[0].device_kind)
    import tensorflow as tf

    if gpus := tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "a GPU")
    return f"{os.cpu_count()} CPU cores"


def _is_missing(module):
    return importlib.util.find_spec(module) is None


def _install_missing():
    bounds = dict(re.findall(r"^([\w-]+)(.*)$", REQUIREMENTS.read_text(), re.MULTILINE))
    missing = [package + bounds.get(package, "") for module, package in PACKAGES.items() if _is_missing(module)]
    if missing:
        _pip(missing)
    for source in CLIP_SOURCES:
        if _is_missing("clip"):
            reason = _pip(source, required=False)
            importlib.invalidate_caches()
    if _is_missing("clip"):
        raise UserError(f"CLIP cannot be installed ({reason}); check the network connection.")


def _pip(requirements, required=True):
    """Installs packages, leaving `KEPT` as they are. Returns pip's last line, if it fails and need not succeed."""
    print(f"Installing {' '.join(requirements)} ...")
    with tempfile.TemporaryDirectory() as folder:
        constraints = pathlib.Path(folder) / "constraints.txt"
        constraints.write_text("".join(f"{name}=={_version(name)}\n" for name in KEPT if _version(name)))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*command, "-c", constraints, *requirements], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        if required:
            raise UserError(f"{' '.join(requirements)} cannot be installed ({reason}); check the network connection.")
        print(f"  not to be had ({reason})")
        return reason
    return "nothing to import came with it"


def _shorten_errors():
    """Shows what a user can put right as a sentence, without a traceback; the cells below still do not run."""
    try:
        shell = get_ipython()  # type: ignore[name-defined]
    except NameError:
        return

    def show(shell, kind, error, traceback, tb_offset=None):
        sentence = sentence_of(error, "run this cell again to go on")
        if sentence:
            shell._showtraceback(kind, error, [f"error: {as_fields(sentence)}"])
        else:
            shell.showtraceback((kind, error, traceback), tb_offset)

    shell.set_custom_exc((Exception, KeyboardInterrupt), show)


def as_fields(sentence: str) -> str:
    """Names the form's fields where a sentence names the command line's options: BATCH_SIZE for --batch-size."""
    names = {"out": "work"}
    return re.sub(
        r"--([a-z]+(?:-[a-z]+)*)", lambda found: names.get(found[1], found[1]).upper().replace("-", "_"), sentence
    )


# A canvas below the cell, which gives the strokes as JSON when its button is pressed.
_CANVAS = """
new Promise(resolve => {
  const canvas = document.createElement("canvas"), button = document.createElement("button");
  canvas.width = canvas.height = 280;
  canvas.style = "border: 1px solid; touch-action: none; display: block";
  button.textContent = "done";
  document.querySelector("#output-area").append(canvas, button);
  const pen = canvas.getContext("2d"), strokes = [];
  pen.lineWidth = 16;
  pen.lineCap = "round";
  const add = event => {
    const stroke = strokes[strokes.length - 1], point = [event.offsetX, event.offsetY];
    pen.beginPath();
    pen.moveTo(...(stroke[stroke.length - 1] || point));
    pen.lineTo(...point);
    pen.stroke();
    stroke.push(point);
  };
  canvas.onpointerdown = event => { strokes.push([]); add(event); };
  canvas.onpointermove = event => { if (event.buttons) add(event); };
  button.onclick = () => resolve(JSON.stringify(strokes));
})
"""


def ask_for_strokes() -> Any:
    """Lets a person draw on a canvas in Colab: strokes for `draw_strokes` of the digits; elsewhere None."""
    try:
        from google.colab import output
    except ImportError:
        return None
    return json.loads(output.eval_js(_CANVAS))


def work_folder(name: str, drive_folder: str | None = None) -> pathlib.Path:
    """The folder that a notebook works in.

    Args:
        name: a folder, which is made if it is not there.
        drive_folder: its folder in Google Drive, None to keep it on this machine.

    Raises:
        UserError: Drive is asked for outside Colab, a name is empty, or a folder in Drive begins with "/".
    """
    if not name.strip() or (drive_folder is not None and not drive_folder.strip()):
        raise UserError("a folder's name is empty; fill in WORK and DRIVE_FOLDER.")
    folder = pathlib.Path(name)
    if drive_folder is not None:
        if folder.is_absolute() or pathlib.Path(drive_folder).is_absolute():
            raise UserError(
                "with USE_DRIVE, give WORK and DRIVE_FOLDER as folders in your Drive, not beginning with /."
            )
        try:
            from google.colab import drive
        except ImportError:
            raise UserError("Google Drive is there in Colab only; switch USE_DRIVE off.") from None
        drive.mount("/content/drive")
        folder = pathlib.Path("/content/drive/MyDrive") / drive_folder / name
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder in WORK.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
