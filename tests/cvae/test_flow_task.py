import shutil

import numpy as np
import pytest
from conftest import SMALL_FLOW, assert_user_error, command

from cvae import learned_prior, rectified_flow
from cvae.evaluation import evaluate, format_evaluation
from cvae.generation import generate, load_to_draw
from cvae.held_out import read_held_out
from cvae.latents import read_latents
from cvae.metrics import psnr
from cvae.runs import LAST, load_model, read_config, read_log
from cvae.training import Settings, settings_of, train
from preprocess.datasets import read_info
from preprocess.errors import UserError


def test_all_stages_leave_what_drawing_needs(flow_run, embedded):
    history = read_log(flow_run)
    assert len(history) == 2 and history[1]["val_loss"] < history[0]["val_loss"]
    assert [row["epoch"] for row in read_log(flow_run / "autoencoder")] == [1, 2]
    assert len(list((flow_run / "latents").glob("*.npz"))) == len(read_info(embedded).shards)
    assert (flow_run / "samples" / "epoch-0002.png").is_file()
    model = load_model(flow_run)
    noise = np.random.default_rng(0).standard_normal((2, model.latent_dim))
    pictures = model.draw(noise, np.eye(2, model.condition_dim, dtype=np.float32))
    assert pictures.shape == (2, 64, 64, 3) and 0 <= pictures.min() < pictures.max() <= 1


def test_the_file_holds_the_averages_and_the_autoencoder(flow_run):
    best, last = load_model(flow_run), load_model(flow_run, LAST)
    autoencoder = load_model(flow_run / "autoencoder")
    image = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    assert np.array_equal(best.encode(image)[0], autoencoder.encode(image)[0])
    averages = last.optimizer._model_variables_moving_average
    assert all(np.array_equal(*pair) for pair in zip(best.trainable_weights, averages))


def test_an_interruption_in_any_stage_changes_nothing(flow_run, embedded, tmp_path):
    class Stop(Exception):
        pass

    def stop(run):
        raise Stop

    halted = tmp_path / "run"
    settings = settings_of("64-flow", SMALL_FLOW)
    # As after a kill within the second stage: the autoencoder is there, and a part of the latents.
    halted.mkdir()
    for name in ("run.json", "autoencoder", "latents"):
        (shutil.copytree if (flow_run / name).is_dir() else shutil.copy)(flow_run / name, halted / name)
    sorted((halted / "latents").iterdir())[0].unlink()
    stages = (halted / "autoencoder" / LAST).stat().st_mtime_ns
    with pytest.raises(UserError, match="add --resume to go on"):
        train("64-flow", embedded, halted, settings)
    with pytest.raises(Stop):
        train("64-flow", embedded, halted, settings, resume=True, on_epoch=stop)
    history = train("64-flow", embedded, halted, settings, resume=True)
    assert (halted / "autoencoder" / LAST).stat().st_mtime_ns == stages
    assert [row["loss"] for row in history] == [row["loss"] for row in read_log(flow_run)]
    for ours, others in zip(load_model(halted).get_weights(), load_model(flow_run).get_weights()):
        assert np.array_equal(ours, others)


def test_a_flow_whose_autoencoder_is_gone_does_not_go_on_with_another(flow_run, embedded, tmp_path):
    for name in ("run.json", LAST, "log.csv"):
        shutil.copy(flow_run / name, tmp_path / name)
    with pytest.raises(UserError, match="autoencoder, whose latents .* is not there any more"):
        train("64-flow", embedded, tmp_path, settings_of("64-flow", SMALL_FLOW | {"epochs": 2}), resume=True)


def test_its_autoencoder_learns_as_fast_as_is_asked_for(embedded, tmp_path):
    given = SMALL_FLOW | {"epochs": 1, "learning_rate": 2e-4, "decay": False}
    train("64-flow", embedded, tmp_path / "run", settings_of("64-flow", given))
    settings = read_config(tmp_path / "run" / "autoencoder")["settings"]
    assert (settings["learning_rate"], settings["decay"], settings["epochs"]) == (2e-4, False, 1)


def test_no_other_variant_takes_the_place_of_a_finished_stage(flow_run, embedded, tmp_path):
    shutil.copy(flow_run / "run.json", tmp_path / "run.json")
    shutil.copytree(flow_run / "autoencoder", tmp_path / "autoencoder")
    with pytest.raises(UserError, match="is there already; add --resume"):
        train("64-image", embedded, tmp_path, Settings(epochs=1))
    assert (tmp_path / "autoencoder" / LAST).is_file()


def test_an_autoencoder_stopped_in_either_half_goes_on_as_if_nothing_had_been(embedded, tmp_path):
    class Stop(Exception):
        pass

    def stop(run):
        raise Stop

    settings = settings_of("64-autoencoder", SMALL_FLOW | {"epochs": 3})
    whole = train("64-autoencoder", embedded, tmp_path / "whole", settings)
    assert all(0 < row["critic"] < 2.5 for row in whole) and whole[-1]["critic"] < whole[0]["critic"]
    for _ in range(2):
        with pytest.raises(Stop):
            train("64-autoencoder", embedded, tmp_path / "halted", settings, resume=True, on_epoch=stop)
    assert train("64-autoencoder", embedded, tmp_path / "halted", settings, resume=True) == whole
    for ours, others in zip(load_model(tmp_path / "halted").weights, load_model(tmp_path / "whole").weights):
        assert np.array_equal(ours, others)


def test_draws_guided_and_measures(flow_run, embedded, tmp_path):
    options = {"guidance": 2.0, "steps": 3, "prior": "mean"}
    generate(flow_run, ["a white cow"], count=2, out=tmp_path / "drawn", best_of=3, **options)
    pictures = sorted((tmp_path / "drawn").glob("*cow-*.png"))
    assert len(pictures) == 2
    result = evaluate(flow_run, count=8)
    assert "the squared error of the velocity" in format_evaluation(result)
    images = read_held_out(read_info(embedded), 64, 8).images / np.float32(255)
    autoencoder = load_model(flow_run / "autoencoder")
    own = np.asarray(autoencoder.decode(autoencoder.encode(images)[0]))
    assert result["reconstruction"]["psnr"] == pytest.approx(np.mean(psnr(images, own)), abs=0.05)
    assert result["reconstruction"]["psnr"] > 5 and result["diversity"]["theme"] > 0


def test_embeddings_drawn_by_a_flow_are_those_of_the_texts_own_images(flow_run, embedded, tmp_path, monkeypatch):
    own = tmp_path / "run"
    shutil.copytree(flow_run, own)
    monkeypatch.setattr(learned_prior, "STEPS", 300)
    model = load_to_draw(own, steps=2, prior="flow")
    latents = read_latents(read_info(embedded), own / "latents", "train")
    texts, images = latents.texts[::5], latents.embeddings[latents.ids[::5]]
    drawn = model.flow.sample(np.random.default_rng(0).standard_normal(texts.shape), texts)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    assert np.mean(np.sum(drawn * images, axis=1)) > 0.1 + np.mean(np.sum(drawn * np.roll(images, 7, axis=0), axis=1))
    noise = np.random.default_rng(0).standard_normal((3, model.latent_dim)).astype(np.float32)
    pictures = model.draw(noise, texts[:3])
    # A picture depends on its own noise and text alone.
    assert np.allclose(model.draw(noise[2:], texts[2:3]), pictures[2:], atol=1e-4)
    assert len(list(own.glob("prior-*.keras"))) == 1


def test_what_a_model_has_no_use_for_is_an_error(flow_run, run):
    draw = ("-m", "cvae", "generate", "--run")
    assert_user_error(
        command(*draw, run, "a cow", "--guidance", 2), "--guidance and --steps are for 64-flow", "64-image"
    )
    assert_user_error(
        command(*draw, flow_run, "a cow", "--prior", "x"), "--prior of a 64-flow", "none, mean, ridge, gaussian, flow"
    )
    published = "--published", "weights.pt"
    assert_user_error(command("-m", "cvae", "evaluate", "--run", flow_run, *published), "--published is for a mnist")
    assert_user_error(command(*draw, flow_run, "a cow", "--guidance", -1), "--guidance must be")
    assert_user_error(command(*draw, flow_run, "a cow", "--steps", 0), "--steps must be a whole number from 1 to 1000")
    assert_user_error(command(*draw, flow_run, "a cow", "--count", 10**9), "--count must be")
    assert_user_error(command(*draw, flow_run, "a cow", "--best-of", 2), "--best-of 2 is fewer than --count 4")
    # In one line, however wide the terminal is.
    usage = " ".join(command("-m", "cvae", "generate", "--help").stdout.split())
    assert f"(default: {rectified_flow.GUIDANCE:g})" in usage and f"(default: {rectified_flow.STEPS})" in usage
    assert_user_error(command(*draw, flow_run / "autoencoder", "a cow"), "knows no prompts")
