import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cvae.runs import Run
from cvae.sampling.draw import draw
from cvae.sampling.pictures import check_output
from preprocess.utils.errors import UserError
from tests.helpers import assert_user_error, command


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


def test_a_seed_draws_the_same_pictures(run):
    opened = Run(run)
    embeddings, drawer = opened.condition(["a black horse"]), opened.open_drawer()
    first, same, other = (draw(drawer, embeddings, 2, seed) for seed in (1, 1, 2))
    # Other sums of the same numbers differ in their last bits.
    np.testing.assert_allclose(first, same, atol=1e-4)
    assert np.abs(first - other).max() > 1e-2


def test_more_pictures_leave_the_first_as_they_were(run):
    model = Run(run).model()
    embeddings = np.eye(512, dtype=np.float32)[:2]
    few, many = draw(model, embeddings, 2, seed=0), draw(model, embeddings, 40, seed=0)
    assert many.shape == (2, 40, 64, 64, 3)
    np.testing.assert_allclose(many[:, :2], few, atol=1e-5)


@pytest.mark.parametrize("prompts", [[""], ["a cow", "  "]])
def test_empty_prompts_are_errors(run, prompts):
    with pytest.raises(UserError, match="prompt is empty"):
        Run(run).generate(prompts)


@pytest.mark.parametrize("prompts", [3, ["a cow", None]])
def test_what_is_no_text_is_no_prompt(run, prompts):
    with pytest.raises(UserError, match="a prompt must be a text"):
        Run(run).generate(prompts)


def test_no_prompt_at_all_is_an_error(run):
    with pytest.raises(UserError, match="give a prompt, in quotes"):
        Run(run).generate([])


def test_an_output_that_cannot_be_is_named_before_drawing(run, tmp_path):
    (tmp_path / "file").write_text("")
    for out, message in ((tmp_path / "file", "is a file"), (tmp_path / "page.html", "no picture's")):
        with pytest.raises(UserError, match=message):
            check_output(out)
    process = command("-m", "cvae", "generate", "--run", run, "a cow", "--out", tmp_path / "file" / "picture.png")
    assert_user_error(process, "is a file")


def test_every_call_keeps_what_is_there(run, tmp_path):
    folder = run / "generated"
    before = len(list(folder.iterdir())) if folder.exists() else 0
    for prompt in ("a cow", "Schäfchen, im Schnee"):
        process = command("-m", "cvae", "generate", "--run", run, prompt, "--count", 1)
        assert process.returncode == 0, process.stderr
    first, second = sorted(folder.iterdir(), key=lambda path: int(path.name))[before:]
    assert [path.name for path in sorted(first.iterdir())] == ["01-a-cow-1.png", "grid.png"]
    assert [path.name for path in sorted(second.iterdir())] == ["01-schäfchen-im-schnee-1.png", "grid.png"]
    assert process.stdout.strip().endswith(f"{second}/grid.png.")
    (tmp_path / "grid.png").write_text("mine")
    pictures = Run(run).generate(["a cow"], count=1)
    assert pictures.save(tmp_path) == tmp_path / "2" / "grid.png" and (tmp_path / "grid.png").read_text() == "mine"
    assert pictures.save(tmp_path / "cow.png") == tmp_path / "cow.png"
    assert pictures.save(tmp_path / "cow.png") == tmp_path / "cow-2.png"
    assert Image.open(tmp_path / "cow.png").size == (64, 64)


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
        Run(tmp_path).model()


ENCODER = """
import numpy as np
class Encoder:
    name, embedding_dim, image_size = "other", {dim}, 64
    def encode_images(self, images): return np.ones((len(images), {dim}), np.float32)
    def encode_texts(self, texts): return np.ones((len(texts), {dim}), np.float32)
"""


def test_an_encoder_that_is_not_the_datas_gives_one_sentence(run, tmp_path):
    for dim, message in (
        (4, "gives embeddings of 4 numbers, the model's data have 512"),
        (512, "the hash of its weights"),
    ):
        path = tmp_path / f"encoder_{dim}.py"
        path.write_text(ENCODER.format(dim=dim))
        process = command("-m", "cvae", "generate", "--run", run, "a cow", "--clip", f"{path}:Encoder")
        assert_user_error(process, path, message)
    config = json.loads((run / "run.json").read_text())
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text(json.dumps(config | {"clip_spec": str(tmp_path / "moved.pt")}))
    assert_user_error(command("-m", "cvae", "generate", "--run", tmp_path / "run", "a cow"), "moved.pt", "--clip")
