import json
import shutil

import numpy as np
import pytest
from conftest import assert_user_error, command
from PIL import Image

from cvae.generation import combine, draw, generate, slerp
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


def test_slerp_keeps_to_the_sphere_and_meets_both_ends():
    a, b = np.eye(3, dtype=np.float32)[:2]
    path = slerp(a, b, 5)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(path[[0, 2, 4]], [a, (a + b) / np.sqrt(2), b], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(slerp(2 * a, 4 * b, 3), axis=1), [2, 3, 4], atol=1e-6)
    np.testing.assert_allclose(slerp(a, a, 3), [a, a, a], atol=1e-6)


def test_combine_adds_and_takes_away():
    a, b, c = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(combine([a, c], [b]), (a - b + c) / np.sqrt(3), atol=1e-6)
    np.testing.assert_allclose(combine([a + b], [b]), a, atol=1e-6)
    with pytest.raises(UserError, match="cancel each other out"):
        combine([a], [a])


def test_an_output_that_is_a_file_is_told_before_drawing(run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        generate(run, ["a cow"], out=tmp_path / "file")


def test_the_runs_own_folder_holds_the_last_pictures_only(run):
    generate(run, ["a cow", "a horse"], count=2)
    generate(run, ["snow"], count=1)
    assert sorted(path.name for path in (run / "generated").iterdir()) == ["01-snow-1.png", "grid.png"]


def test_folders_that_are_no_runs_give_one_sentence(run, embedded, tmp_path):
    for folder in (tmp_path, embedded, tmp_path / "gone"):
        assert_user_error(command("-m", "cvae", "generate", "--run", folder, "a cow"), folder, "not a run folder")
    shutil.copy(run / "run.json", tmp_path)
    assert_user_error(command("-m", "cvae", "generate", "--run", tmp_path, "a cow"), tmp_path, "has no best.keras")
    (tmp_path / "best.keras").write_text("nothing")
    assert_user_error(command("-m", "cvae", "generate", "--run", tmp_path, "a cow"), "best.keras", "is damaged")
    data = bytearray((run / "best.keras").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 100] = bytes(100)
    (tmp_path / "best.keras").write_bytes(data)
    with pytest.raises(UserError, match="best.keras cannot be loaded"):
        load_model(tmp_path)


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
    assert_user_error(command("-m", "cvae", "generate", "--run", tmp_path / "run", "a cow"), "moved.pt", "--clip")
