import pathlib

import numpy as np
import pytest

import cvae
from cvae.presets import FOLDER, find_preset, preset_names
from cvae.runs import Run
from preprocess.utils.errors import UserError
from tests.helpers import ROOT

FLOWS = [name for name in preset_names() if Run(name).variant_name.endswith("flow")]
# What drawn pictures are compared with, in the encoder's space.
KINDS = ("a cow in a meadow", "a sheep in a meadow", "a horse in a meadow", "a forest")


@pytest.mark.parametrize("name", preset_names())
def test_each_has_a_card_a_log_and_no_path_of_a_machine(name):
    folder = find_preset(name)
    card = (folder / "card.md").read_text()
    assert all(f"**{part}.**" in card for part in ("Data", "Training", "Figures", "What it is bad at", "Rights"))
    assert Run(name).best_epoch()["epoch"] > 0
    assert "/" not in Run(name).config["data"]


def test_all_that_was_trained_takes_100_mb_at_most():
    files = [*FOLDER.glob("*/*"), *(ROOT / "preprocess" / "photographs").glob("*.npz")]
    assert sum(path.stat().st_size for path in files) <= 100e6


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Run(FLOWS[0])
    assert run.folder == FOLDER / FLOWS[0] and run.output == pathlib.Path("runs", FLOWS[0])
    Run.create(tmp_path / FLOWS[0], {"variant": "64-image", "data": "x", "settings": run.settings})
    assert Run(FLOWS[0]).variant_name == "64-image"


def test_what_a_flow_draws_is_what_the_prompt_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = cvae.load_run("photographs-64")
    pictures = run.generate(KINDS, count=6, seed=1)
    assert pictures.arrays.shape == (4, 6, 64, 64, 3)
    with run.encoder.open() as encoder:
        texts = encoder.encode_texts(list(KINDS))
        seen = encoder.encode_images([picture for row in pictures for picture in row])
    nearest = np.argmax(seen @ texts.T, axis=1).reshape(4, 6)
    # Measured: 0.79; chance is 0.25.
    assert np.mean(nearest == np.arange(4)[:, None]) > 0.6
    assert not list(FOLDER.glob("photographs-64/generated"))


def test_drawn_scenes_have_the_ground_and_sky_that_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snow, grass = (
        cvae.load_run("pasture-128")
        .generate(["a brown cow in the snow under a grey sky", "a brown cow on green grass under a blue sky"], count=2)
        .arrays.astype(int)
    )
    assert snow.shape == (2, 128, 128, 3)
    # The lowest rows are ground, the highest sky.
    assert snow[:, -12:].mean() > grass[:, -12:].mean() + 60
    red, _, blue = (grass[:, :12, :, channel].mean() for channel in range(3))
    assert blue > red + 60 > 60


def test_faces_have_the_hair_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = cvae.load_run("drawn-faces-64")
    black, blond = run.generate(["a young woman with black hair", "a young woman with blond hair"], count=4).arrays
    # Beside the face, where long hair is.
    assert black[:, 20:40, 14:18].mean() + 40 < blond[:, 20:40, 14:18].mean()


def test_what_is_not_there_is_said_in_one_sentence():
    with pytest.raises(UserError, match="photographs-64 came along without its data; give --data"):
        Run("photographs-64").evaluate()
    with pytest.raises(
        UserError, match=r"did you mean photographs-64, or another that comes along: .*pasture"
    ) as error:
        Run("photographs-65")
    assert "autoencoder" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOWS)
def test_each_flow_draws_alike_with_the_same_seed(name):
    run = Run(name)
    first, again = (run.generate(["a brown cow"], count=1, seed=3).arrays.astype(float) for _ in range(2))
    assert first.shape[2] == run.variant.image_size and first.std() > 10
    assert np.abs(first - again).mean() < 1
