import dataclasses
import shutil

import numpy as np
import pytest

from cvae.evaluation.held_out import read_held_out
from cvae.evaluation.metrics import psnr
from cvae.keras_files import BEST, LAST
from cvae.log import read_log
from cvae.nn import samplers
from cvae.runs import Run
from cvae.systems.faces import FaceFlowVariant
from cvae.systems.flow.latents import read_latents
from cvae.systems.flow.task import DRAWN_OPTIONS, FlowTask
from cvae.training import learned_prior
from cvae.training.loop import train
from cvae.training.resume import open_training
from preprocess.shards.info import read_info
from preprocess.utils.errors import UserError
from tests.helpers import (
    SMALL_FLOW,
    assert_same_history,
    assert_same_weights,
    assert_user_error,
    command,
)


def test_all_stages_leave_what_drawing_needs(flow_run, embedded):
    history = read_log(flow_run)
    assert len(history) == 2 and history[1]["val_loss"] < history[0]["val_loss"]
    assert [row["epoch"] for row in read_log(flow_run / "autoencoder")] == [1, 2]
    assert len(list((flow_run / "latents").glob("*.npz"))) == len(read_info(embedded).shards)
    assert (flow_run / "samples" / "epoch-0002.png").is_file()
    model = Run(flow_run).model()
    noise = np.random.default_rng(0).standard_normal((2, model.latent_dim))
    pictures = model.draw(noise, np.eye(2, model.condition_dim, dtype=np.float32))
    assert pictures.shape == (2, 64, 64, 3) and 0 <= pictures.min() < pictures.max() <= 1


def test_drawn_scenes_are_drawn_with_less_guidance_than_photographs(flow_run):
    run = Run(flow_run)
    assert run.open_drawer().options == run.model().options == samplers.SamplerOptions(**DRAWN_OPTIONS)
    given = {"guidance": 2, "steps": 3}
    assert run.open_drawer(**given).options == samplers.SamplerOptions(**DRAWN_OPTIONS | given)
    assert Run("photographs-64").open_drawer().options == samplers.DEFAULT


def test_the_file_holds_the_averages_and_the_autoencoder(flow_run):
    best, last = Run(flow_run).model(), Run(flow_run).model(LAST)
    autoencoder = Run(flow_run / "autoencoder").model()
    image = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    np.testing.assert_allclose(best.encode(image)[0], autoencoder.encode(image)[0], atol=1e-5)
    averages = last.optimizer._model_variables_moving_average
    for weight, average in zip(best.trainable_weights, averages, strict=True):
        np.testing.assert_allclose(weight, average, atol=1e-6)


@pytest.mark.slow
def test_an_interruption_in_any_stage_changes_nothing(flow_run, embedded, tmp_path):
    class Stop(Exception):
        pass

    def stop(run):
        raise Stop

    halted = tmp_path / "run"
    settings = SMALL_FLOW
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
    assert_same_history(history, read_log(flow_run))
    assert_same_weights(Run(halted).model(), Run(flow_run).model())


def test_a_flow_whose_autoencoder_is_gone_does_not_go_on_with_another(flow_run, embedded, tmp_path):
    for name in ("run.json", LAST, BEST, "log.csv"):
        shutil.copy(flow_run / name, tmp_path / name)
    with pytest.raises(UserError, match="best.keras, whose latents .* is not there any more"):
        train(None, None, tmp_path, resume=True)


@pytest.mark.slow
def test_its_autoencoder_learns_as_fast_as_is_asked_for(embedded, tmp_path):
    given = SMALL_FLOW | {"epochs": 1, "learning_rate": 2e-4, "decay": False}
    train("64-flow", embedded, tmp_path / "run", given)
    settings = Run(tmp_path / "run" / "autoencoder").config["settings"]
    assert (settings["learning_rate"], settings["decay"], settings["epochs"]) == (2e-4, False, 1)


@pytest.mark.parametrize("epochs", [None, 7, "default"])
def test_its_autoencoder_takes_its_own_number_of_epochs_where_none_is_given(embedded, tmp_path, epochs):
    default = FlowTask("64-flow", embedded, {}).settings.epochs
    given = {} if epochs is None else {"epochs": default if epochs == "default" else epochs}
    task = FlowTask("64-flow", embedded, given)
    # An interrupted run begins as it was asked.
    settings = dataclasses.asdict(task.settings)
    Run.create(tmp_path, {"variant": "64-flow", "settings": settings, "given": task.given, **task.config})
    again, begun = open_training(None, None, tmp_path, {}, resume=True)
    assert not begun and again.settings == task.settings
    for one in (task, again):
        settings = one._autoencoder_settings()
        assert settings.get("epochs") == given.get("epochs")
        # It learns as fast as it is best for it.
        assert settings.keys().isdisjoint({"learning_rate", "decay"})


def test_no_other_variant_takes_the_place_of_a_finished_stage(flow_run, embedded, tmp_path):
    shutil.copy(flow_run / "run.json", tmp_path / "run.json")
    shutil.copytree(flow_run / "autoencoder", tmp_path / "autoencoder")
    with pytest.raises(UserError, match="holds a run already; add --resume"):
        train("64-image", embedded, tmp_path, {"epochs": 1})
    assert (tmp_path / "autoencoder" / LAST).is_file()


@pytest.mark.slow
def test_an_autoencoder_stopped_in_either_half_goes_on_as_if_nothing_had_been(embedded, tmp_path):
    class Stop(Exception):
        pass

    def stop(run):
        raise Stop

    settings = {"epochs": 3, "batch_size": 16, "width": 1 / 16, "precision": "float32"}
    whole = train("64-autoencoder", embedded, tmp_path / "whole", settings)
    assert all(0 < row["critic"] < 2.5 for row in whole) and whole[-1]["critic"] < whole[0]["critic"]
    for _ in range(2):
        with pytest.raises(Stop):
            train("64-autoencoder", embedded, tmp_path / "halted", settings, resume=True, on_epoch=stop)
    assert_same_history(train("64-autoencoder", embedded, tmp_path / "halted", settings, resume=True), whole)
    assert_same_weights(Run(tmp_path / "halted").model(), Run(tmp_path / "whole").model())


def test_draws_guided_and_measures(flow_run, embedded):
    options = {"guidance": 2.0, "steps": 3, "prior": "mean"}
    pictures = Run(flow_run).generate(["a white cow"], count=2, best_of=3, **options)
    assert pictures.arrays.shape == (1, 2, 64, 64, 3)
    report = Run(flow_run).evaluate(count=8)
    assert "the squared error of the velocity" in report.text
    result = report.figures
    images = read_held_out(read_info(embedded), 64, 8).images / np.float32(255)
    autoencoder = Run(flow_run / "autoencoder").model()
    own = np.asarray(autoencoder.decode(autoencoder.encode(images)[0]))
    assert result["reconstruction"]["psnr"] == pytest.approx(np.mean(psnr(images, own)), abs=0.05)
    assert result["reconstruction"]["psnr"] > 5 and result["diversity"]["theme"] > 0


@pytest.mark.slow
def test_embeddings_drawn_by_a_flow_are_those_of_the_texts_own_images(flow_run, embedded, tmp_path, monkeypatch):
    own = tmp_path / "run"
    shutil.copytree(flow_run, own)
    monkeypatch.setattr(learned_prior, "STEPS", 300)
    drawer = Run(own).open_drawer(steps=2, prior="flow")
    latents = read_latents(read_info(embedded), own / "latents", "train")
    texts, images = latents.texts[::5], latents.embeddings[latents.ids[::5]]
    drawn = drawer.guess(np.random.default_rng(0).standard_normal((len(texts), drawer.latent_dim)), texts)
    assert np.mean(np.sum(drawn * images, axis=1)) > 0.1 + np.mean(np.sum(drawn * np.roll(images, 7, axis=0), axis=1))
    noise = np.random.default_rng(0).standard_normal((3, drawer.latent_dim)).astype(np.float32)
    pictures = drawer.draw(noise, texts[:3])
    # A picture depends on its own noise and text alone.
    assert np.allclose(drawer.draw(noise[2:], texts[2:3]), pictures[2:], atol=1e-4)
    assert len(list(own.glob("prior-*.keras"))) == 1


def test_what_a_model_has_no_use_for_is_an_error(flow_run, run):
    draw = ("-m", "cvae", "generate", "--run")
    assert_user_error(
        command(*draw, run, "a cow", "--guidance", 2), "--guidance is for the faces and the flow", "not for a 64-image"
    )
    assert_user_error(
        command(*draw, flow_run, "a cow", "--prior", "x"), "--prior of a 64-flow", "none, mean, ridge, gaussian, flow"
    )
    published = "--published", "weights.pt"
    assert_user_error(command("-m", "cvae", "evaluate", "--run", flow_run, *published), "--published is for the digits")
    assert_user_error(command(*draw, flow_run, "a cow", "--guidance", -1), "--guidance must be")
    assert_user_error(command(*draw, flow_run, "a cow", "--steps", 0), "--steps must be a whole number from 1 to 1000")
    assert_user_error(command(*draw, flow_run, "a cow", "--count", 10**9), "--count must be")
    assert_user_error(command(*draw, flow_run, "a cow", "--best-of", 2), "--best-of 2 is fewer than --count 4")
    # In one line, however wide the terminal is.
    usage = " ".join(command("-m", "cvae", "generate", "--help").stdout.split())
    own = f"of flows of drawn scenes {DRAWN_OPTIONS['guidance']:g}, of faces {FaceFlowVariant.options['guidance']:g})"
    assert (
        f"(default: {samplers.DEFAULT.guidance:g}; {own}" in usage and f"(default: {samplers.DEFAULT.steps})" in usage
    )
    for options in ((), ("--guidance", 3), ("--best-of", 8)):
        process = command(*draw, flow_run / "autoencoder", "a cow", *options)
        assert_user_error(process, "autoencoder has no `generate`", "name a run of what has it: 64-flow, 128-flow")


def test_latents_are_kept_where_a_training_ends_before_its_first_epoch(embedded, tmp_path, monkeypatch):
    def end(task):
        raise KeyboardInterrupt

    def written():
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run" / "latents").iterdir()}

    monkeypatch.setattr(FlowTask, "build", end)
    given = {name: value for name, value in SMALL_FLOW.items() if name != "autoencoder"}
    with pytest.raises(KeyboardInterrupt):
        train("64-flow", embedded, tmp_path / "run", given)
    before = written()
    # For how long it is trained makes no difference to them.
    for options in ({}, {"resume": True}):
        with pytest.raises(KeyboardInterrupt):
            train("64-flow", embedded, tmp_path / "run", given | {"epochs": 3}, **options)
        assert written() == before
    with pytest.raises(KeyboardInterrupt):
        train("64-flow", embedded, tmp_path / "run", given, overwrite=True)
    assert written() != before and written().keys() == before.keys()
