import json

import numpy as np
import pytest

from cvae.runs import Run
from cvae.systems.faces import judge as portrait_judge
from cvae.systems.faces.compare import compare
from cvae.systems.faces.evaluate import evaluate, mean_accuracy, score_portraits
from cvae.systems.faces.judge import JUDGED, JUDGED_PLACES, see, train_judge
from cvae.systems.faces.portraits import read_portraits
from preprocess.shards.info import read_info
from preprocess.shards.read import load
from preprocess.utils.errors import UserError

pytestmark = pytest.mark.slow

TINY = {"epochs": 1, "batch_size": 8, "width": 1 / 16, "precision": "float32"}


@pytest.fixture(scope="module", autouse=True)
def quick_judge():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portrait_judge, "STEPS", 20)
        yield


@pytest.fixture(scope="module")
def compared(portraits, tmp_path_factory):
    out = tmp_path_factory.mktemp("comparison")
    rows = "celeba-cvae-both, celeba-cvae-gan, celeba-wgan-gp"
    return out, compare(portraits, out, TINY, rows, count=10).figures


def test_portraits_are_those_that_models_see(portraits):
    info = read_info(portraits)
    held_out = read_portraits(info, "val", 8)
    for condition in ("attributes", "both"):
        images, conditions = next(load(portraits, 64, condition, "val", 8).as_numpy_iterator())
        np.testing.assert_allclose(held_out.images / 255, images, atol=0.02)
        np.testing.assert_allclose(held_out.conditions(condition), conditions, atol=1e-6)
    assert held_out.conditions("text").shape == (8, info.embedding_dim)
    assert len(held_out.captions) == 8


def test_the_judge_learns_and_is_kept(portraits, tmp_path):
    info = read_info(portraits)
    judge = train_judge(info, tmp_path)
    images = read_portraits(info, "train").images / np.float32(255)
    again = train_judge(info, tmp_path)
    np.testing.assert_allclose(see(judge, images)[0], see(again, images)[0], atol=1e-4)
    [weights] = tmp_path.iterdir()
    weights.write_bytes(b"damaged")
    train_judge(info, tmp_path)
    assert weights.stat().st_size > 100_000


def test_real_portraits_of_the_attributes_asked_for_score_as_real_ones(portraits, tmp_path):
    info = read_info(portraits)
    real = read_portraits(info, "train")
    images, count = real.images / np.float32(255), len(real.images) // 2
    images, attributes = images[: 2 * count], real.attributes[: 2 * count]
    judge = train_judge(info, tmp_path)
    result = score_portraits(judge, images[:count], attributes[:count], images, attributes)
    assert result["frechet"]["pictures"] == pytest.approx(result["frechet"]["real"], rel=1e-3)
    noise = np.random.default_rng(0).random(images[:count].shape, np.float32)
    worse = score_portraits(judge, noise, attributes[:count], images, attributes)
    assert worse["frechet"]["pictures"] > 2 * result["frechet"]["real"]
    assert worse["cmmd"]["pictures"] > 2 * result["cmmd"]["real"]


def test_all_models_are_measured_and_shown(compared):
    out, results = compared
    assert [row["variant"] for row in results] == ["celeba-cvae-both", "celeba-cvae-gan", "celeba-wgan-gp"]
    assert ["reconstruction" in row for row in results] == [True, True, False]
    assert json.loads((out / "comparison.json").read_text())["rows"] == results
    table = (out / "comparison.md").read_text()
    assert all(f"| {row['variant']} |" in table for row in results) and "| real portraits |" in table
    assert (out / "comparison.png").is_file() and (out / "celeba-wgan-gp" / "evaluation.png").is_file()
    assert len(list(out.glob("judge-*"))) == 1
    # Whoever always says no, or yes, has a half.
    assert all(0 <= row["pictures"] <= 1 for row in results[0]["attributes"].values())
    assert 0 < mean_accuracy(results[0]["attributes"])["pictures"] < 1


def test_a_finished_comparison_is_not_trained_again(compared, portraits):
    out, results = compared
    before = (out / "celeba-cvae-gan" / "last.keras").stat().st_mtime_ns
    [row] = compare(portraits, out, TINY, "celeba-cvae-gan", count=10).figures
    assert (out / "celeba-cvae-gan" / "last.keras").stat().st_mtime_ns == before
    assert row["frechet"] == pytest.approx(results[1]["frechet"], rel=1e-3)


def test_the_same_seed_gives_the_same_figures(compared, portraits):
    out, results = compared
    again = evaluate(Run(out / "celeba-wgan-gp"), portraits, 10, 0).figures
    assert again["frechet"] == pytest.approx(results[2]["frechet"], rel=1e-4)
    for name, row in again["attributes"].items():
        assert row == pytest.approx(results[2]["attributes"][name], abs=0.2)


def test_ten_attributes_or_more_are_judged():
    assert len(JUDGED) == len(set(JUDGED_PLACES)) >= 10
    assert {"Male", "Eyeglasses", "Smiling", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"} <= set(JUDGED)


def test_photographs_are_no_portraits(compared, embedded):
    out, _ = compared
    with pytest.raises(UserError, match="holds no portraits"):
        evaluate(Run(out / "celeba-wgan-gp"), embedded, 10)


def test_a_finished_cvae_has_a_prior_and_a_gan_has_none(compared):
    out, _ = compared
    assert Run(out / "celeba-cvae-both").model().has_prior and not Run(out / "celeba-cvae-gan").model().has_prior
