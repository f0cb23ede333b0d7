"""Fixtures shared by all tests: a small drawn archive, its shards, its embeddings, and command lines."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap
import time
import zipfile

import pytest

from clip_wrapper import import_clip
from preprocess.parallel import available_cores
from preprocess.quiet import import_tensorflow

if "PYTEST_XDIST_WORKER" in os.environ:
    # The cores are taken by the workers: threads of one would wait for those of another, in busy loops.
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

# CLIP, and PyTorch with it, before TensorFlow: the other way round, some versions' LLVMs clash and end the process.
import_clip()
import_tensorflow()

ROOT = pathlib.Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
PASTURE_CLIP = ROOT / "preprocess" / "pasture" / "clip.pt"


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Runs folders of tests in a process a core, where pytest-xdist is there: a test mostly waits for one thread."""
    if not config.pluginmanager.hasplugin("xdist") or "PYTEST_XDIST_WORKER" in os.environ:
        return
    if config.option.numprocesses is None and all(pathlib.Path(argument).is_dir() for argument in config.args):
        config.option.numprocesses = min(4, available_cores())
        config.option.dist = "loadgroup"


def pytest_collection_modifyitems(items):
    """Quick tests first."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


def command(*arguments, cwd=ROOT, **options):
    """Runs `python ...` with the project importable. Returns the finished process with its output as text."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, **options
    )


def run_on_jax(monkeypatch, code):
    """Runs lines of Python on Keras' JAX backend, with `np` and `keras`; skips the test where there is no JAX."""
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    lines = "import numpy as np, keras\nassert keras.backend.backend() == 'jax'"
    process = command("-c", f"{lines}\n{textwrap.dedent(code)}")
    assert process.returncode == 0, process.stderr


def start(*arguments):
    """Starts `python ...` with the project importable, its output unseen. Returns the running process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def wait_for(process, condition, seconds=120):
    """Waits until `condition()` holds, and fails if the process ends or the time is over before."""
    deadline = time.time() + seconds
    while not condition():
        assert process.poll() is None and time.time() < deadline, "ended too early to test anything"
        time.sleep(0.02)


def assert_user_error(process, *words):
    """One sentence on standard error that holds the words, exit code 2, no traceback."""
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("error: "), process.stderr
    for word in words:
        assert str(word) in last, last


def shared(*parts):
    """A path in the shared folder of real data; skips the test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs the real data in {path}")
    return path


def write_coco(folder, files, captions, name="train2017"):
    """Writes NAME.zip with {file name: bytes} and captions_NAME.json with {file name: [captions]}. Returns the zip."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
        for file_name, data in files.items():
            archive.writestr(f"{name}/{file_name}", data)
    images = [{"id": index, "file_name": file_name} for index, file_name in enumerate(captions, 1)]
    annotations = [
        {"id": 1000 * index + number, "image_id": index, "caption": text}
        for index, texts in enumerate(captions.values(), 1)
        for number, text in enumerate(texts)
    ]
    text = json.dumps({"images": images, "annotations": annotations})
    (folder / f"captions_{name}.json").write_text(text)
    return folder / f"{name}.zip"


@pytest.fixture(scope="session")
def pasture(tmp_path_factory):
    """A folder with train2017.zip, captions_train2017.json and labels.json of 80 drawn pictures."""
    from preprocess.pasture.archive import write_archive

    out = tmp_path_factory.mktemp("pasture")
    write_archive(out, count=80, seed=0, workers=2)
    return out


@pytest.fixture(scope="session")
def shards(pasture, tmp_path_factory):
    """The drawn archive's shards, small ones, so that there are several."""
    from preprocess.coco import preprocess_coco

    out = tmp_path_factory.mktemp("data") / "shards"
    preprocess_coco(pasture / "train2017.zip", out, theme="large", shard_size=16, workers=2)
    return out


@pytest.fixture(scope="session")
def embedded(shards):
    """The shards embedded with the small CLIP that comes with the project."""
    from preprocess.embedding import embed_folder
    from preprocess.encoders import EncoderProcess

    out = shards.with_name("embedded")
    with EncoderProcess(str(PASTURE_CLIP)) as encoder:
        embed_folder(shards, out, encoder)
    return out


@pytest.fixture(scope="session")
def run(embedded, tmp_path_factory):
    """A run of 64-image, one sixteenth wide, trained for two epochs."""
    from cvae.training import Settings, train

    out = tmp_path_factory.mktemp("runs") / "64-image"
    train("64-image", embedded, out, Settings(epochs=2, batch_size=8, width=1 / 16, precision="float32", decay=True))
    return out


# Settings of a flow that trains in seconds.
SMALL_FLOW = {"epochs": 2, "batch_size": 16, "width": 1 / 16, "precision": "float32"}


@pytest.fixture(scope="session")
def flow_run(embedded, tmp_path_factory):
    """A run of 64-flow, as small as can be, trained for two epochs."""
    from cvae.training import settings_of, train

    out = tmp_path_factory.mktemp("runs") / "64-flow"
    train("64-flow", embedded, out, settings_of("64-flow", SMALL_FLOW))
    return out


@pytest.fixture(scope="session")
def small_digits_by_default():
    """Has scikit-learn's digits taken where no data are named, though the checkout may have MNIST in data/mnist."""
    from preprocess import mnist

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist, "FOLDER", pathlib.Path("nowhere"))
        yield


@pytest.fixture(scope="session")
def digit_run(tmp_path_factory, small_digits_by_default):
    """A run of mnist-clip-vae, an eighth wide, trained for two epochs on scikit-learn's digits."""
    from cvae.training import Settings, train
    from cvae.variants import VARIANTS

    out = tmp_path_factory.mktemp("runs") / "mnist-clip-vae"
    settings = {**VARIANTS["mnist-clip-vae"].settings, "epochs": 2, "batch_size": 32, "width": 1 / 8}
    train("mnist-clip-vae", None, out, Settings(**settings))
    return out


@pytest.fixture(scope="session")
def portraits(tmp_path_factory):
    """Drawn faces with attributes, embedded with the small CLIP of the drawn scenes."""
    from preprocess.celeba import preprocess_celeba
    from preprocess.embedding import embed_folder
    from preprocess.encoders import EncoderProcess
    from preprocess.faces.archive import ARCHIVE, TABLE, write_archive

    folder = tmp_path_factory.mktemp("celeba")
    write_archive(folder / "faces", 60, seed=0, workers=1)
    preprocess_celeba(folder / "faces" / ARCHIVE, folder / "faces" / TABLE, folder / "shards", shard_size=20)
    with EncoderProcess(str(PASTURE_CLIP)) as encoder:
        embed_folder(folder / "shards", folder / "embedded", encoder)
    return folder / "embedded"
