import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cvae.log import read_log
from cvae.runs import Run
from cvae.systems.digits import task as digit_task
from cvae.systems.digits.generate import (
    draw_labels,
    draw_noise,
    draw_strokes,
    generate,
    interpolate_labels,
    map_latents,
    nearest_labels,
    read_labels,
)
from cvae.training.loop import train
from preprocess.mnist import small_digits
from preprocess.utils.errors import UserError
from tests.helpers import assert_same_history, assert_user_error, command


def test_a_run_on_digits_is_complete_and_says_what_it_was_trained_on(digit_run):
    config = Run(digit_run).config
    assert config["variant"] == "mnist-clip-vae" and "scikit-learn" in config["digits"]
    log = read_log(digit_run)
    assert log[-1]["val_loss"] < log[0]["val_loss"]
    parts = {"loss", "contrastive", "image_bce", "image_kl", "label_ce", "label_kl"}
    assert parts | {f"val_{part}" for part in parts} <= set(log[0])
    assert (digit_run / "samples" / "epoch-0002.png").is_file()


def test_labels_become_a_grid_and_single_pictures(digit_run, tmp_path):
    options = ("--run", digit_run, "--labels", 3, 7, "--count", 5, "--out", tmp_path / "out")
    process = command("-m", "cvae", "generate", *options)
    assert process.returncode == 0 and "5 pictures for each of 2 prompts" in process.stdout, process.stderr
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"{label}-{number}.png" for label in (3, 7) for number in range(1, 6)] + ["grid.png"]
    picture = Image.open(tmp_path / "out" / "3-1.png")
    assert picture.size == (28, 28) and picture.mode == "L"


def test_the_same_seed_draws_the_same(digit_run):
    model = Run(digit_run).model()
    pictures = draw_labels(model, [2, 5], 4, seed=1)
    np.testing.assert_allclose(draw_labels(model, [2, 5], 4, seed=1), pictures, atol=1e-5)
    np.testing.assert_allclose(draw_labels(model, [5], 2, seed=1)[0], pictures[1, :2], atol=1e-6)
    assert np.abs(draw_labels(model, [2, 5], 4, seed=2) - pictures).max() > 0.01
    assert draw_noise(model, 3, seed=0).shape == (3, 28, 28, 1)


def test_the_nearest_label_is_that_of_the_largest_cosine():
    labels = np.eye(10)
    assert nearest_labels(5 * labels[[3, 1]] + 0.1, labels).tolist() == [3, 1]
    # Lengths do not matter.
    assert nearest_labels([[1.0, 0.9]], [[100.0, 0], [0.1, 0.1]]).tolist() == [1]


def test_labels_are_read_from_text():
    assert read_labels("3, 7") == [3, 7] and read_labels(5) == [5] and read_labels("0 1 7,4", count=4) == [0, 1, 7, 4]
    for text in ("", "3, x", "12", "-1"):
        with pytest.raises(UserError, match="from 0 to 9"):
            read_labels(text)
    with pytest.raises(UserError, match="must name 4 digits"):
        read_labels("1 2", count=4)


def test_a_sheet_has_its_labels_in_the_corners(digit_run):
    model = Run(digit_run).model()
    sheet = interpolate_labels(model, [0, 1, 7, 4], size=5)
    assert sheet.shape == (5, 5, 28, 28, 1)
    means = model.encode_label(np.array([0, 1, 7, 4]))[0]
    corners = [sheet[0, 0], sheet[0, -1], sheet[-1, 0], sheet[-1, -1]]
    np.testing.assert_allclose(corners, model.decode_image(means), atol=1e-4)


def test_strokes_are_drawn_as_mnist_has_its_digits():
    for scale in (1, 300):
        image = draw_strokes([[(0, 0), (scale, 0), (scale / 2, 2 * scale)]])
        assert image.shape == (28, 28, 1) and image.max() == 1 and image.min() == 0
        rows, _ = np.nonzero(image[..., 0] > 0.5)
        assert 17 <= np.ptp(rows) <= 21, "20 px high"
        middle = [np.average(np.arange(28), weights=image.sum(axis)[..., 0]) for axis in (1, 0)]
        np.testing.assert_allclose(middle, 13.5, atol=1)
    # Thick as MNIST's, of which a fifth is ink.
    assert 0.05 < image.mean() < 0.2
    for strokes in ([], [[(1, 1)]], [[(1, 1), (1, 1)]]):
        with pytest.raises(UserError, match="draw a digit"):
            draw_strokes(strokes)


def test_what_is_moved_out_of_the_picture_does_not_come_back():
    drawn = draw_strokes([[(0, 0), (0, 20), (20, 20)]])
    mass = [np.average(np.arange(28), weights=drawn[..., 0].sum(axis)) for axis in (1, 0)]
    # The corner's mass moves it to the right and up.
    assert np.allclose(mass, 13.5, atol=1) and drawn[:, 0].max() == drawn[-1].max() == 0


def test_latents_on_a_map_lie_with_their_labels():
    rng = np.random.default_rng(0)
    label_latents = np.eye(4)
    latents = np.repeat(label_latents, 20, axis=0) + 0.05 * rng.standard_normal((80, 4))
    places, marks = map_latents(latents, label_latents)
    nearest = np.linalg.norm(places[:, None] - marks, axis=-1).argmin(1)
    assert np.mean(nearest == np.arange(4).repeat(20)) > 0.95


@pytest.mark.parametrize("labels", [[], [10], [-1], [2.5]])
def test_other_labels_are_errors(digit_run, labels):
    with pytest.raises(UserError, match="from 0 to 9"):
        generate(Run(digit_run), labels)


@pytest.mark.parametrize("label", ["three", "3.0", "-1"])
def test_labels_that_are_none_give_one_sentence(digit_run, label):
    assert_user_error(command("-m", "cvae", "generate", "--run", digit_run, f"--labels={label}"), "0 to 9")


def test_runs_of_the_other_system_give_one_sentence(digit_run, run):
    assert_user_error(
        command("-m", "cvae", "generate", "--run", run, "--labels", 3), "--labels is for the digits", "64-image"
    )
    assert_user_error(command("-m", "cvae", "generate", "--run", digit_run, "a cow"), "digits from 0 to 9")
    process = command("-m", "cvae", "generate", "--run", digit_run, 3, "--guidance", 2)
    assert_user_error(process, "--guidance is for the faces and the flow", "mnist-clip-vae")


def test_a_run_goes_on_with_its_own_digits_only(digit_run, tmp_path, monkeypatch):
    run = shutil.copytree(digit_run, tmp_path / "run")
    train(None, None, run, resume=True)
    digits = small_digits()
    monkeypatch.setattr(digit_task, "load_digits", lambda data: dataclasses.replace(digits, source="elsewhere"))
    train(None, "elsewhere", run, resume=True)  # the same digits from another place
    labels = {split: 9 - found for split, found in digits.labels.items()}
    monkeypatch.setattr(digit_task, "load_digits", lambda data: dataclasses.replace(digits, labels=labels))
    with pytest.raises(UserError, match="trained with data: elsewhere, which holds other images than nowhere"):
        train(None, "nowhere", run, resume=True)
    with pytest.raises(UserError, match="are not what they were when it was begun"):
        train(None, None, run, resume=True)


@pytest.mark.slow
def test_an_interrupted_training_ends_as_an_undisturbed_one(digit_run, tmp_path):
    settings = {"epochs": 2, "batch_size": 32, "width": 1 / 8}

    def interrupt(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("mnist-clip-vae", None, tmp_path / "run", settings, on_epoch=interrupt)
    assert len(read_log(tmp_path / "run")) == 1
    history = train("mnist-clip-vae", None, tmp_path / "run", settings, resume=True)
    assert_same_history(history, read_log(digit_run), 1e-4)


def test_evaluation_puts_figures_beside_pictures(digit_run):
    process = command("-m", "cvae", "evaluate", "--run", digit_run, "--count", 20)
    assert process.returncode == 0 and "nearest label right" in process.stdout, process.stderr
    result = json.loads((digit_run / "evaluation.json").read_text())
    assert result["run"]["bound"] == pytest.approx(result["run"]["bce"] + result["run"]["kl"])
    assert result["run"]["importance_weighted"] < result["run"]["bound"]
    assert result["judge_accuracy"] > 0.9 and 0.05 < result["run"]["nearest_label_accuracy"] <= 1
    assert Image.open(digit_run / "evaluation.png").width > 600
