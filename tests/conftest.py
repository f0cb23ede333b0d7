"""Fixtures shared by all tests: a small drawn archive, its shards, its embeddings, and command lines."""

import os
import pathlib

import pytest

from preprocess.embedding.clip_model import import_clip
from preprocess.pasture import PASTURE_CLIP
from preprocess.utils.parallel import available_cores
from preprocess.utils.quiet import import_tensorflow
from tests.helpers import ROOT, SMALL, SMALL_FLOW

if "PYTEST_XDIST_WORKER" in os.environ:
    # The cores are taken by the workers: threads of one would wait for those of another, in busy loops.
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

# On a CPU compiling is most of what JAX takes for tests: not optimised it is half of that. What is compiled is kept for
# the next test, and the next run.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax"))

# CLIP, and PyTorch with it, before TensorFlow: the other way round, some versions' LLVMs clash and end the process.
import_clip()
import_tensorflow()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Runs folders of tests in a process a core, where pytest-xdist is there: a test mostly waits for one thread."""
    if not config.pluginmanager.hasplugin("xdist") or "PYTEST_XDIST_WORKER" in os.environ:
        return
    if config.option.numprocesses is None and all(pathlib.Path(argument).is_dir() for argument in config.args):
        config.option.numprocesses = min(4, available_cores())
        # A file's tests in one process, so that what they share is made once.
        config.option.dist = "loadfile"


def pytest_collection_modifyitems(items):
    """Quick tests first."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session", autouse=True)
def _state(tmp_path_factory):
    """Encoders that tests name are not noted at home."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


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
    from preprocess.coco.build import preprocess_coco

    out = tmp_path_factory.mktemp("data") / "shards"
    preprocess_coco(pasture / "train2017.zip", out, theme="large", shard_size=16, workers=2)
    return out


@pytest.fixture(scope="session")
def embedded(shards):
    """The shards embedded with the small CLIP that comes with the project."""
    from preprocess.embedding.embed import embed_folder
    from preprocess.embedding.process import EncoderProcess

    out = shards.with_name("embedded")
    with EncoderProcess(str(PASTURE_CLIP)) as encoder:
        embed_folder(shards, out, encoder)
    return out


@pytest.fixture(scope="session")
def run(embedded, tmp_path_factory):
    """A run of 64-image, one sixteenth wide, trained for two epochs."""
    from cvae.training.loop import train

    out = tmp_path_factory.mktemp("runs") / "64-image"
    train("64-image", embedded, out, SMALL)
    return out


@pytest.fixture(scope="session")
def flow_run(embedded, tmp_path_factory):
    """A run of 64-flow, as small as can be, trained for two epochs."""
    from cvae.training.loop import train

    out = tmp_path_factory.mktemp("runs") / "64-flow"
    train("64-flow", embedded, out, SMALL_FLOW)
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
    from cvae.training.loop import train

    out = tmp_path_factory.mktemp("runs") / "mnist-clip-vae"
    train("mnist-clip-vae", None, out, {"epochs": 2, "batch_size": 32, "width": 1 / 8})
    return out


@pytest.fixture(scope="session")
def portraits(tmp_path_factory):
    """Drawn faces with attributes, embedded with the small CLIP of the drawn scenes."""
    from preprocess.celeba.build import preprocess_celeba
    from preprocess.embedding.embed import embed_folder
    from preprocess.embedding.process import EncoderProcess
    from preprocess.faces.archive import ARCHIVE, TABLE, write_archive

    folder = tmp_path_factory.mktemp("celeba")
    write_archive(folder / "faces", 60, seed=0, workers=1)
    preprocess_celeba(folder / "faces" / ARCHIVE, folder / "faces" / TABLE, folder / "shards", shard_size=20)
    with EncoderProcess(str(PASTURE_CLIP)) as encoder:
        embed_folder(folder / "shards", folder / "embedded", encoder)
    return folder / "embedded"
