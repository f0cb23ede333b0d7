import json

import numpy as np
import pytest
from PIL import Image

from cvae.evaluation.photos import evaluate, score_pictures
from cvae.log import best_epoch, read_log
from cvae.runs import Run
from preprocess.shards.info import read_info
from preprocess.utils.errors import UserError
from tests.helpers import assert_user_error, command


def unit(rng, *shape):
    x = rng.standard_normal(shape).astype(np.float32)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_pictures_like_the_images_score_like_the_images():
    rng = np.random.default_rng(0)
    texts = unit(rng, 200, 16)
    images = unit(rng, 200, 16) + 2 * texts
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    same = score_pictures(images, images, texts, np.arange(200))
    for name in ("clip_score", "r_precision"):
        assert same[name]["pictures"] == pytest.approx(same[name]["real"])
        assert same[name]["shuffled"] < 0.5 * same[name]["real"]
    # The same pictures, as many, against the same images.
    assert same["cmmd"]["pictures"] == same["cmmd"]["real"] > 0
    assert same["frechet"]["pictures"] == same["frechet"]["real"] > 0
    other = score_pictures(unit(rng, 200, 16) + np.eye(16)[0], images, texts, np.arange(200))
    for name in ("cmmd", "frechet"):
        assert other[name]["pictures"] > 2 * same[name]["real"]


def test_shuffled_captions_are_those_of_other_images():
    # Five captions of four images, each caption the same as its image: a shuffled one never is.
    ids = np.array([0, 1, 2, 3, 0])
    scores = score_pictures(np.eye(4)[ids], np.eye(4), np.eye(4)[ids], ids)
    assert scores["clip_score"] == {"pictures": 2.5, "real": 2.5, "shuffled": 0}
    assert scores["r_precision"] == {"pictures": 1, "real": 1, "shuffled": 0} and scores["candidates"] == 3


def test_a_run_is_measured(run, embedded):
    result = evaluate(Run(run), count=20).figures
    assert json.loads((run / "evaluation.json").read_text()) == result
    assert Image.open(run / "evaluation.png").width > 300
    assert result["validation"]["loss"] == pytest.approx(best_epoch(read_log(run))["val_loss"], rel=1e-4)
    assert result["validation"]["nats_per_pixel"] == pytest.approx(result["validation"]["bce"] / 64**2)
    assert 5 < result["reconstruction"]["psnr"] < 40 and 0 < result["reconstruction"]["ssim"] < 1
    assert result["captions"] == 20 and result["real_images"] == min(20, read_info(embedded).counts["val"])
    assert result["r_precision"]["real"] > 0.5 > result["r_precision"]["shuffled"]
    assert 0 <= result["diversity"]["pictures"] < result["diversity"]["real"] < 2
    assert result["epoch"] == best_epoch(read_log(run))["epoch"] and result["data"] == str(embedded)
    again = evaluate(Run(run), count=20).figures
    for name in ("clip_score", "cmmd", "frechet", "diversity", "validation"):
        assert again[name] == pytest.approx(result[name], rel=1e-3), name


def test_what_cannot_be_measured_gives_one_sentence(run, shards, tmp_path):
    assert_user_error(command("-m", "cvae", "evaluate", "--run", tmp_path), tmp_path, "not a run folder")
    assert_user_error(command("-m", "cvae", "evaluate", "--run", run, "--data", shards), shards, "no embeddings")
    with pytest.raises(UserError, match="--count"):
        evaluate(Run(run), count=1)
