"""What version 0.1 made loads, draws the same, and goes on.

tests/data/version_0_1.tar.xz holds embedded shards of twelve drawn scenes and a run of each kind of model, as that
version saved them. The models' larger weights were set to a few values in a fixed order, so that they compress.
"""

import json
import shutil
import tarfile

import numpy as np
import pytest

from cvae.nn.samplers import SamplerOptions
from cvae.runs import Run
from cvae.systems.flow.draw import FlowDrawer
from cvae.training.loop import train
from preprocess.embedding.trust import remember
from preprocess.shards.info import read_info
from tests.helpers import ROOT, assert_same_weights

RUNS = ("64-image", "64-flow", "celeba-cvae", "celeba-cvae-gan", "celeba-wgan-gp")


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The folder of what version 0.1 made, with its places as they are now."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ROOT / "tests" / "data" / "version_0_1.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    folder = folder / "version_0_1"
    for path in (*folder.rglob("run.json"), folder / "embedded" / "manifest.json"):
        text = path.read_text().replace('"DATA"', json.dumps(str(folder / "embedded")))
        path.write_text(text.replace('"ENCODER"', json.dumps(f"{folder / 'encoder.py'}:Encoder")))
    # As whoever made them had.
    remember(f"{folder / 'encoder.py'}:Encoder")
    return folder


@pytest.fixture(scope="module")
def outputs(old):
    with np.load(old / "outputs.npz") as stored:
        return dict(stored)


def in_blocks(pictures):
    """The means over eight by eight blocks of each picture, seven by seven for digits."""
    n, height, width, channels = pictures.shape
    side = 7 if height == 28 else 8
    return np.asarray(pictures).reshape(n, side, height // side, side, width // side, channels).mean((2, 4))


@pytest.mark.parametrize("name", RUNS)
def test_its_models_draw_what_they_drew(old, outputs, name):
    run = Run(old / "runs" / name)
    # As it was drawn then.
    then = SamplerOptions(guidance=3.0, steps=12, sampler="euler", interval=(0.0, 1.0))
    drawer = FlowDrawer(run.model(), then) if name == "64-flow" else run.open_drawer()
    pictures = drawer.draw(outputs[f"{name}/noise"], outputs[f"{name}/condition"])
    np.testing.assert_allclose(in_blocks(np.asarray(pictures)), outputs[f"{name}/pictures"], atol=2e-3)


def test_its_digits_and_its_autoencoder_too(old, outputs):
    digits = Run(old / "runs" / "mnist-clip-vae").model()
    pictures = np.asarray(digits.decode_image(outputs["mnist-clip-vae/noise"]))
    np.testing.assert_allclose(in_blocks(pictures), outputs["mnist-clip-vae/pictures"], atol=1e-4)
    autoencoder = Run(old / "runs" / "64-flow" / "autoencoder").model()
    mean, _ = autoencoder.encode(outputs["64-flow-autoencoder/image"] / np.float32(8))
    np.testing.assert_allclose(mean, outputs["64-flow-autoencoder/mean"], atol=1e-3)


def test_its_cvaes_keep_their_encoders_slopes(old):
    model = Run(old / "runs" / "64-image").model()
    assert model.layout == 1 and model.get_config()["layout"] == 1


def test_its_data_are_read(old):
    info = read_info(old / "embedded")
    assert sum(info.counts.values()) == 12 and info.encoder.clip["name"] == "tiny" and info.drawn_by is None


@pytest.mark.parametrize("name", ["64-image", "64-flow"])
def test_its_runs_go_on(old, name, tmp_path):
    shutil.copytree(old / "runs" / name, tmp_path / name)
    before = Run(tmp_path / name).model()
    history = train(None, None, tmp_path / name, {"epochs": 2}, resume=True)
    assert [row["epoch"] for row in history] == [1, 2] and history[1]["gradient_norm"] > 0
    run = Run(tmp_path / name)
    assert run.settings["epochs"] == 2 and run.settings["precision"] == "float32"
    assert len(run.generate(["a white cow"], count=1)) == 1
    with pytest.raises(AssertionError):
        assert_same_weights(before, run.model("last.keras"))
