import json
import shutil

import numpy as np
import pytest
from conftest import assert_user_error, command
from PIL import Image

from cvae.generation import draw, generate
from cvae.runs import load_model
from preprocess.errors import UserError


def pictures(folder):
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.glob("0*.png"))}


def test_prompts_become_a_grid_and_single_pictures(run, tmp_path):
    out = tmp_path / "out"
    process = command(
        "-m", "cvae", "generate", "--run", run, "White sheep on a mountain", "Cows!", "--count", 3, "--out", out
    )
    assert process.returncode == 0, process.stderr
    assert "Drew 3 pictures for each of 2 prompts" in process.stdout.splitlines()[-1]
    found = pictures(out)
    assert list(found) == [
        *(f"01-white-sheep-on-a-mountain-{number}.png" for number in (1, 2, 3)),
        *(f"02-cows-{number}.png" for number in (1, 2, 3)),
    ]
    assert all(picture.shape == (64, 64, 3) for picture in found.values())
    assert Image.open(out / "grid.png").width > 300


def test_a_seed_draws_the_same_pictures(run, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate(run, ["a black horse"], count=2, seed=seed, out=tmp_path / name)
    first, same, other = (list(pictures(tmp_path / name).values()) for name in "abc")
    np.testing.assert_array_equal(first, same)
    assert (np.array(first) != np.array(other)).any()


def test_more_pictures_leave_the_first_as_they_were(run):
    model = load_model(run)
    embeddings = np.eye(512, dtype=np.float32)[:2]
    few, many = draw(model, embeddings, 2, seed=0), draw(model, embeddings, 40, seed=0)
    assert many.shape == (2, 40, 64, 64, 3)
    np.testing.assert_allclose(many[:, :2], few, atol=1e-5)


@pytest.mark.parametrize("prompts", [[""], ["a cow", "  "], []])
def test_empty_prompts_are_errors(run, prompts):
    with pytest.raises(UserError, match="prompt is empty"):
        generate(run, prompts)


def test_folders_that_are_no_runs_give_one_sentence(run, embedded, tmp_path):
    for folder in (tmp_path, embedded, tmp_path / "gone"):
        assert_user_error(command("-m", "cvae", "generate", "--run", folder, "a cow"), folder, "not a run folder")
    shutil.copy(run / "run.json", tmp_path)
    assert_user_error(command("-m", "cvae", "generate", "--run", tmp_path, "a cow"), tmp_path, "no best.keras")
    (tmp_path / "best.keras").write_text("nothing")
    assert_user_error(command("-m", "cvae", "generate", "--run", tmp_path, "a cow"), "best.keras", "is damaged")


ENCODER = """
import numpy as np
class Encoder:
    name, embedding_dim, image_size = "other", {dim}, 64
    def encode_images(self, images): return np.ones((len(images), {dim}), np.float32)
    def encode_texts(self, texts): return np.ones((len(texts), {dim}), np.float32)
"""


def test_an_encoder_that_is_not_the_datas_gives_one_sentence(run, tmp_path):
    for dim, message in ((4, "gives 4 numbers, the model's data 512"), (512, "other weights")):
        path = tmp_path / f"encoder_{dim}.py"
        path.write_text(ENCODER.format(dim=dim))
        process = command("-m", "cvae", "generate", "--run", run, "a cow", "--clip", f"{path}:Encoder")
        assert_user_error(process, path, message)
    config = json.loads((run / "run.json").read_text())
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps(config | {"clip_spec": str(tmp_path / "moved.pt")}))
    assert_user_error(command("-m", "cvae", "generate", "--run", tmp_path / "run", "a cow"), "moved.pt", "path")
