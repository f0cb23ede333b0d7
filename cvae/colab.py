"""What every notebook needs: packages, a folder to work in, data to fall back on, and pictures on the page."""

import importlib.metadata
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from preprocess.errors import UserError

# Import names and the packages that bring them; Colab has most.
PACKAGES = {
    "ftfy": "ftfy",
    "regex": "regex",
    "pycocotools": "pycocotools",
    "tqdm": "tqdm",
    "matplotlib": "matplotlib",
    "PIL": "pillow",
    "torch": "torch",
    "torchvision": "torchvision",
    "keras": "keras",
    "tensorflow": "tensorflow",
}
# Never changed by an installation where they are there already.
KEPT = ("tensorflow", "keras", "torch", "torchvision", "numpy", "jax", "jaxlib")
# In the coursework's order: OpenAI's own repository, and the package index where that cannot be reached.
CLIP_SOURCES = (
    ["git+https://github.com/openai/CLIP.git"],
    ["clip-anytorch", "setuptools<81"],
)
PASTURE_CLIP = pathlib.Path(__file__).parent.parent / "preprocess" / "pasture" / "clip.pt"
SHOWN_WIDTH = 760


def set_up():
    """Installs what is missing, chooses the backend, makes errors one sentence, and prints versions and device."""
    _install_missing()
    if _has_tpu():
        os.environ["KERAS_BACKEND"] = "jax"
    _shorten_errors()
    from preprocess.quiet import import_keras

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
    missing = [package for module, package in PACKAGES.items() if _is_missing(module)]
    if missing:
        _pip(missing)
    if _is_missing("clip"):
        errors = [error for source in CLIP_SOURCES if _is_missing("clip") and (error := _pip(source, required=False))]
        importlib.invalidate_caches()
        if _is_missing("clip"):
            raise UserError(f"CLIP cannot be installed ({errors[-1]}); check the network connection.")


def _pip(requirements, required=True):
    """Installs packages, leaving `KEPT` as they are. Returns pip's last line if it fails and need not succeed."""
    print(f"Installing {' '.join(requirements)} ...")
    with tempfile.TemporaryDirectory() as folder:
        constraints = pathlib.Path(folder) / "constraints.txt"
        constraints.write_text("".join(f"{name}=={_version(name)}\n" for name in KEPT if _version(name)))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*command, "-c", constraints, *requirements], capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        if required:
            raise UserError(f"{' '.join(requirements)} cannot be installed ({reason}).")
        return reason
    return None


def _shorten_errors():
    """Shows a `UserError` as its sentence, without a traceback; the cells below still do not run."""
    try:
        shell = get_ipython()
    except NameError:
        return

    def show(shell, kind, error, traceback, tb_offset=None):
        shell._showtraceback(kind, error, [f"error: {error}"])

    shell.set_custom_exc((UserError, KeyboardInterrupt), show)


def work_folder(name, drive_folder=None):
    """The folder that a notebook works in.

    Args:
        name: a folder, which is made if it is not there.
        drive_folder: a folder in Google Drive that it lies in, None to keep it on this machine.

    Raises:
        UserError: Drive is asked for outside Colab, or a name is empty.
    """
    if not name.strip() or (drive_folder is not None and not drive_folder.strip()):
        raise UserError("a folder's name is empty; fill in WORK and DRIVE_FOLDER.")
    folder = pathlib.Path(name)
    if drive_folder is not None:
        try:
            from google.colab import drive
        except ImportError:
            raise UserError("Google Drive is there in Colab only; switch USE_DRIVE off.") from None
        drive.mount("/content/drive")
        folder = pathlib.Path("/content/drive/MyDrive") / drive_folder / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def pasture_zip(work, count):
    """Draws the pasture scenes into `work`, unless they are there. Returns the path of their train2017.zip."""
    from preprocess.parallel import available_cores
    from preprocess.pasture.archive import write_archive

    if count < 100:
        raise UserError("PASTURE_COUNT must be at least 100.")
    write_archive(work / "pasture", count, seed=0, workers=available_cores())
    return work / "pasture" / "train2017.zip"


def embedded_data(work, data, pasture_count):
    """The embedded shards to train on: `data`, else those in `work`, else pasture scenes made on the spot.

    Args:
        work: the folder of `work_folder`.
        data: a folder of embedded shards, or "".
        pasture_count: how many pictures to draw where there is nothing else.

    Returns:
        The folder.
    """
    from preprocess.datasets import read_info

    folder = pathlib.Path(data) if data else work / "embedded"
    if not data and not folder.exists():
        print("No embedded data yet: drawing pasture scenes in their place.")
        prepare(pasture_zip(work, pasture_count), work, str(PASTURE_CLIP))
    read_info(folder)
    return folder


def trained_run(work, run, settings, pasture_count):
    """The run to draw with: `run`, else the newest in `work`, else one trained on the spot on `embedded_data`."""
    from cvae.runs import BEST, read_config
    from cvae.training import train

    if run:
        read_config(run)
        return pathlib.Path(run)
    trained = sorted((work / "runs").glob(f"*/{BEST}"), key=lambda path: path.stat().st_mtime)
    if trained:
        return trained[-1].parent
    print("No run yet: training one.")
    train("64-image", embedded_data(work, "", pasture_count), work / "runs" / "64-image", settings, resume=True)
    return work / "runs" / "64-image"


def check_file(path):
    """Raises a UserError if a path is given and is no file."""
    if path and not pathlib.Path(path).is_file():
        raise UserError(f"{path} not found; name a file, or leave the field empty.")


def images_to_reconstruct(run, path, count):
    """Images with their embeddings: an image file, or the first validation images of a run's data.

    Returns:
        (float32 (n, size, size, 3) in [0, 1], float32 (n, d)); n is 1 for a file.

    Raises:
        UserError: the file is no image that can be used, or the run's data are gone.
    """
    from cvae.prompts import open_encoder
    from cvae.runs import read_config
    from cvae.variants import find_variant
    from preprocess.datasets import load
    from preprocess.images import BadImage, square_image
    from preprocess.records import CLIP_SIZE

    config = read_config(run)
    size = find_variant(config["variant"]).image_size
    if not path:
        batch = next(load(config["data"], size, "image", "val", count).as_numpy_iterator())
        return batch[0], batch[1]
    try:
        data = pathlib.Path(path).read_bytes()
        image, seen_by_clip = square_image(data, size), square_image(data, CLIP_SIZE)
    except BadImage as error:
        raise UserError(f"{path} cannot be used: {error}.") from None
    with open_encoder(config["clip_spec"], config["clip"], config["precision"]) as encoder:
        embedding = encoder.encode_images([seen_by_clip])
    return np.asarray(image, np.float32)[None] / 255, embedding


def prepare(zip_path, work, clip, overwrite=False, **options):
    """Preprocesses and embeds an archive: `work`/shards and `work`/embedded.

    Args:
        zip_path: COCO's train2017.zip or the like.
        work: the folder of `work_folder`.
        clip: see `preprocess.encoders.load_encoder`.
        overwrite: whether to empty folders that were made with other settings.
        **options: of `preprocess.coco.preprocess_coco`; the theme is "large" by default.

    Returns:
        The manifest of the embedded shards.
    """
    from preprocess.coco import preprocess_coco
    from preprocess.embedding import embed_folder
    from preprocess.encoders import EncoderProcess
    from preprocess.parallel import available_cores

    options = {"theme": "large", "workers": available_cores()} | options
    preprocess_coco(zip_path, work / "shards", overwrite=overwrite, **options)
    with EncoderProcess(clip) as encoder:
        return embed_folder(work / "shards", work / "embedded", encoder, overwrite)


def show(picture, width=SHOWN_WIDTH):
    """Shows a picture in the notebook as a JPEG of at most `width` pixels: an image's path, or a uint8 array."""
    from IPython.display import Image as Shown
    from IPython.display import display
    from PIL import Image

    image = Image.open(picture) if isinstance(picture, (str, pathlib.Path)) else Image.fromarray(picture)
    image = image.convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    display(Shown(buffer.getvalue(), format="jpeg"))


def _show_saved(save, *arguments, width=SHOWN_WIDTH):
    with tempfile.TemporaryDirectory() as folder:
        save(pathlib.Path(folder) / "picture.png", *arguments)
        show(pathlib.Path(folder) / "picture.png", width)


def show_grid(rows, labels):
    """Shows one labelled row of pictures for each of `rows`; see `cvae.plots.save_grid`."""
    from cvae.plots import save_grid

    _show_saved(save_grid, [np.asarray(row) for row in rows], labels)


def show_sheet(images, captions):
    """Shows uint8 images with their captions; see `cvae.plots.save_sheet`."""
    from cvae.plots import save_sheet

    _show_saved(save_sheet, [image / np.float32(255) for image in images], captions)


def show_matrix(matrix):
    """Shows the cosines of images and captions."""
    from cvae.plots import save_matrix

    _show_saved(save_matrix, matrix, "image", "caption", width=420)


def show_epoch(run):
    """Replaces a cell's output by a run's newest sample grid and its curves."""
    from IPython.display import clear_output

    clear_output(wait=True)
    for grid in sorted((pathlib.Path(run) / "samples").glob("epoch-*.png"))[-1:]:
        show(grid)
    show(pathlib.Path(run) / "loss.png")
