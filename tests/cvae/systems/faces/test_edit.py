import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cvae.keras_files import BEST
from cvae.runs import Run
from cvae.systems.faces import judge as portrait_judge
from cvae.systems.faces.edit import change, edit, edit_image
from cvae.training.loop import train
from preprocess.celeba.attributes import ATTRIBUTES, vector_of
from preprocess.utils.errors import UserError
from tests.helpers import assert_user_error, command

TINY = {"epochs": 1, "batch_size": 8, "width": 1 / 16, "precision": "float32"}


@pytest.fixture(scope="module")
def run(portraits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "celeba-cvae"
    train("celeba-cvae", portraits, out, TINY)
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

    def encode(self, image, conditions):
        return image.mean((1, 2)), None

    def decode(self, z, conditions):
        return np.broadcast_to(conditions.sum(1)[:, None, None, None], (len(conditions), 64, 64, 3)) + z.mean()


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
    assert process.returncode == 0 and "Drew 4 pictures beside" in process.stdout, process.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    shown = ("as-it-is", "with-smiling", "with-blond-hair", "without-eyeglasses", "all-of-these")
    assert names == {f"{row}-{one}.png" for row in ("decoded", "changed") for one in shown} | {"grid.png"}
    same = np.asarray(Image.open(tmp_path / "out" / "changed-as-it-is.png"), int)
    assert np.abs(same - np.asarray(Image.open(portrait).crop((0, 10, 89, 99)).resize((64, 64), 3), int)).mean() < 3


def test_without_words_the_judge_guesses(run, portrait, monkeypatch):
    monkeypatch.setattr(portrait_judge, "STEPS", 5)
    assert edit(Run(run), portrait, add=["Bald"]).arrays.shape == (2, 2, 64, 64, 3)


def test_what_cannot_be_edited_is_said(run, portrait, portraits, tmp_path):
    options = "-m", "cvae", "edit", "--run", run
    assert_user_error(command(*options, portrait), "--add")
    assert_user_error(command(*options, portrait, "--add", "Wearing_Cap"), "Wearing_Cap", "Wearing_Hat")
    assert_user_error(command(*options, tmp_path / "gone.png", "--add", "Bald"), "gone.png")
    assert_user_error(command("-m", "cvae", "edit", "--run", tmp_path, portrait, "--add", "Bald"), "run folder")
    config = json.loads((run / "run.json").read_text())
    other = tmp_path / "run"
    other.mkdir()
    shutil.copy(run / BEST, other)
    (other / "run.json").write_text(json.dumps(config | {"variant": "celeba-wgan-gp"}))
    with pytest.raises(UserError, match="celeba-wgan-gp has no `edit`; name a run of what has it: celeba-cvae, "):
        Run(other).call("edit", portrait, add=["Bald"])
    (other / "run.json").write_text(json.dumps(config | {"data": str(tmp_path / "nowhere")}))
    with pytest.raises(UserError, match="added and removed"):
        edit(Run(run), portrait, add=["Bald"], remove=["bald"])
    with pytest.raises(UserError, match="--described"):
        edit(Run(other), portrait, add=["Bald"])


def test_a_change_that_nobody_can_see_is_said(run, portrait, monkeypatch, capsys):
    monkeypatch.setattr(Run, "model", lambda run: _Adder())
    # What the portrait is said to have already is decoded the same.
    edit(Run(run), portrait, add=["Smiling", "Bald"], described="a smiling woman")
    output = capsys.readouterr().out
    assert "'with Smiling' changes nothing that can be seen" in output and "'with Bald'" not in output
    assert "no word in" not in output
    edit(Run(run), portrait, add=["Bald"], described="a blue elephant")
    assert "note: no word in 'a blue elephant' describes a face" in capsys.readouterr().out
