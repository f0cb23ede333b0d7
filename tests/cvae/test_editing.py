import json

import numpy as np
import pytest
from conftest import assert_user_error, command
from PIL import Image

from cvae import portrait_judge
from cvae.editing import change, edit, edit_image
from cvae.training import Settings, train
from preprocess.attributes import ATTRIBUTES, vector_of
from preprocess.errors import UserError

TINY = {"epochs": 1, "batch_size": 8, "width": 1 / 16, "precision": "float32"}


@pytest.fixture(scope="module")
def run(portraits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "celeba-cvae"
    train("celeba-cvae", portraits, out, Settings(**TINY))
    return out


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("portrait") / "face.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (109, 89, 3), np.uint8)).save(path)
    return path


def test_one_attribute_changes_and_the_hair_has_one_colour():
    blond = vector_of("a woman with blond hair")
    assert np.flatnonzero(change(blond, "smiling", 1) != blond).tolist() == [ATTRIBUTES.index("Smiling")]
    black = change(blond, "Black_Hair", 1)
    assert black[ATTRIBUTES.index("Blond_Hair")] == 0 and black[ATTRIBUTES.index("Black_Hair")] == 1
    assert change(black, "Black_Hair", 0).sum() == black.sum() - 1
    with pytest.raises(UserError, match="did you mean Smiling"):
        change(blond, "smilling", 1)


class _Adder:
    """A decoder that shows the sum of its condition, whatever the latent."""

    def encode(self, image, told):
        return image.mean((1, 2)), None

    def decode(self, z, told):
        return np.broadcast_to(told.sum(1)[:, None, None, None], (len(told), 64, 64, 3)) + z.mean()


def test_the_latent_is_kept_and_the_condition_is_new():
    image = np.full((64, 64, 3), 0.25, np.float32)
    one, two = np.array([1, 0], np.float32), np.array([1, 1], np.float32)
    reconstruction, [picture] = edit_image(_Adder(), image, one, two[None])
    assert reconstruction.mean() == pytest.approx(1.25) and picture.mean() == pytest.approx(2.25)


def test_a_portrait_is_changed_in_a_grid_and_single_pictures(run, portrait, tmp_path):
    process = command(
        "-m", "cvae", "edit", "--run", run, portrait, "--add", "Smiling", "--add", "blond hair",
        "--remove", "eyeglasses", "--described", "an old man with gray hair wearing glasses", "--out", tmp_path / "out",
    )  # fmt: skip
    assert process.returncode == 0 and "Changed 3 attributes" in process.stdout, process.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    # As it is, three changes, all of them.
    assert names == {f"{row}-{n}.png" for row in ("decoded", "changed") for n in range(1, 6)} | {"grid.png"}
    same = np.asarray(Image.open(tmp_path / "out" / "changed-1.png"), int)
    assert np.abs(same - np.asarray(Image.open(portrait).crop((0, 10, 89, 99)).resize((64, 64), 3), int)).mean() < 3


def test_without_words_the_judge_guesses(run, portrait, tmp_path, monkeypatch):
    monkeypatch.setattr(portrait_judge, "STEPS", 5)
    assert edit(run, portrait, add=["Bald"], out=tmp_path).is_file()


def test_what_cannot_be_edited_is_said(run, portrait, portraits, tmp_path):
    options = "-m", "cvae", "edit", "--run", run
    assert_user_error(command(*options, portrait), "--add")
    assert_user_error(command(*options, portrait, "--add", "Wearing_Cap"), "Wearing_Cap", "Wearing_Hat")
    assert_user_error(command(*options, tmp_path / "gone.png", "--add", "Bald"), "gone.png")
    assert_user_error(command("-m", "cvae", "edit", "--run", tmp_path, portrait, "--add", "Bald"), "run folder")
    config = json.loads((run / "run.json").read_text())
    other = tmp_path / "run"
    other.mkdir()
    (other / "run.json").write_text(json.dumps(config | {"variant": "celeba-wgan-gp"}))
    with pytest.raises(UserError, match="cannot edit"):
        edit(other, portrait, add=["Bald"])
    (other / "run.json").write_text(json.dumps(config | {"data": str(tmp_path / "nowhere")}))
    with pytest.raises(UserError, match="added and removed"):
        edit(run, portrait, add=["Bald"], remove=["bald"])
    with pytest.raises(UserError, match="--described"):
        edit(other, portrait, add=["Bald"])
