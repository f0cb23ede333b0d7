"""The flow of portraits, which is trained and drawn by the code of the flows of photographs."""

import numpy as np
import pytest
from PIL import Image

from cvae.log import read_log
from cvae.runs import Run
from cvae.training.loop import train
from preprocess.utils.errors import UserError
from tests.helpers import SMALL_FLOW


@pytest.fixture(scope="module")
def run(portraits, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "celeba-flow-both"
    train("celeba-flow-both", portraits, out, SMALL_FLOW | {"batch_size": 8})
    return out


def test_it_learns_draws_and_is_measured_as_its_siblings(run, portraits):
    history = read_log(run)
    assert len(history) == 2 and history[1]["loss"] < history[0]["loss"]
    model = Run(run).model()
    assert (model.condition, model.attributes, model.condition_dim) == ("both", 40, 552)
    pictures = Run(run).generate(["a bald man with a beard", "a young woman"], count=2, guidance=2.0, steps=3)
    assert pictures.arrays.shape == (2, 2, 64, 64, 3)
    figures = Run(run).evaluate(count=6).figures
    assert figures["reconstruction"]["psnr"] > 5 and figures["frechet"]["pictures"] >= 0
    assert (run / "evaluation.png").is_file()


def test_what_is_asked_for_changes_the_picture_by_attributes_and_by_words(run):
    model = Run(run).model()
    noise = np.random.default_rng(0).standard_normal((1, model.latent_dim)).astype(np.float32)
    conditions = Run(run).condition(["an old man with gray hair"])
    guess = model.guess(noise, conditions)
    np.testing.assert_allclose(np.linalg.norm(guess, axis=1), 1, rtol=1e-5)
    for place in (slice(0, 40), slice(40, None)):
        other = conditions.copy()
        other[:, place] = 1 - other[:, place]
        assert np.abs(model.guess(noise, other)[:, place] - guess[:, place]).max() > 0.05


def test_an_edited_portrait_as_it_is_is_its_reconstruction(run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "face.png")
    pictures = Run(run).call("edit", tmp_path / "face.png", add=["Smiling", "Bald"], described="a young woman")
    assert pictures.arrays.shape == (2, 4, 64, 64, 3)
    [decoded, smiling, bald, _], changed = pictures.arrays.astype(int)
    model = Run(run).model()
    image = pixels[None] / np.float32(255)
    assert np.abs(decoded - 255 * np.asarray(model.decode(model.encode(image)[0]))[0]).mean() < 8
    assert np.abs(smiling - decoded).max() > 0 and np.abs(bald - smiling).max() > 0
    assert (changed[0] == pixels).all()


def test_its_siblings_take_no_guidance(portraits, tmp_path):
    small = {"epochs": 1, "batch_size": 8, "width": 1 / 16, "precision": "float32"}
    train("celeba-cvae", portraits, tmp_path / "cvae", small)
    with pytest.raises(UserError, match="--guidance is not for a celeba-cvae; leave it out"):
        Run(tmp_path / "cvae").generate("a young woman", guidance=2.0)


def test_data_without_attributes_give_one_sentence(embedded, tmp_path):
    with pytest.raises(UserError, match=r"no attributes; prepare portraits with `python -m preprocess.celeba`"):
        train("celeba-flow", embedded, tmp_path / "run", SMALL_FLOW)
