import json

import numpy as np
import pytest
from PIL import Image

from cvae.evaluation.held_out import read_held_out
from cvae.keras_files import BEST, LAST
from cvae.log import best_epoch, read_log
from cvae.registry import system_of
from cvae.runs import Run
from cvae.systems.coursework import SYSTEM
from cvae.training.loop import train
from preprocess.shards.info import read_info
from preprocess.utils.errors import UserError
from tests.helpers import (
    ROOT,
    SMALL,
    SMALL_OPTIONS,
    assert_user_error,
    command,
)


def test_the_table_of_variants():
    plain = [v for v in SYSTEM.variants.values() if v.theme is None]
    found = {(v.image_size, v.condition, v.dropout) for v in plain}
    assert found == {(s, c, d) for s in (64, 128) for c in ("image", "text") for d in (0.3, 0.0)}
    assert SYSTEM.variants["128-image-large"].theme == "large"


def test_a_run_folder_is_complete(run, embedded):
    names = {path.name for path in run.iterdir()}
    assert names >= {"run.json", BEST, LAST, "log.csv", "loss.png", "samples", "tensorboard", "prompts.npz"}
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]
    log = read_log(run)
    assert [row["epoch"] for row in log] == [1, 2]
    assert [row["learning_rate"] for row in log] == pytest.approx([5e-4, 2.5e-4])
    for row in log:
        assert {"loss", "bce", "kl", "ssim", "val_loss", "val_bce", "val_kl", "val_ssim"} < set(row)
        np.testing.assert_allclose(
            row["val_loss"], row["val_bce"] + 0.5 * row["val_kl"] + 0.1 * (1 - row["val_ssim"]), rtol=1e-4
        )
    config = Run(run).config
    assert config["variant"] == "64-image" and config["data"] == str(embedded.resolve())
    assert len(config["clip"]["weights_sha256"]) == 64
    # The loss and its three parts, and no gauge.
    with Image.open(run / "loss.png") as curves:
        assert 4 < curves.width / curves.height < 5


def test_the_best_model_is_that_of_the_best_epoch(run, embedded):
    from preprocess.shards.read import load

    model = Run(run).model()
    model.compile()
    from cvae.training.callbacks import SeedByEpoch

    data = load(embedded, 64, "image", "val", 8).map(lambda image, embedding: ((image, embedding),))
    values = model.evaluate(data, return_dict=True, verbose=0, callbacks=[SeedByEpoch(0)])
    assert values["loss"] == pytest.approx(best_epoch(read_log(run))["val_loss"], rel=1e-4)


@pytest.mark.slow
def test_jax_trains_and_draws_too(embedded, tmp_path, monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    where = ("--run", tmp_path / "run")
    trained = command("-m", "cvae", "train", "--variant", "64-text", "--data", embedded, *where, *SMALL_OPTIONS)
    assert trained.returncode == 0 and "oneDNN" not in trained.stderr, trained.stderr
    first, second = read_log(tmp_path / "run")
    assert second["loss"] < first["loss"]
    drawn = command("-m", "cvae", "generate", *where, "a white cow", "--count", 1)
    assert drawn.returncode == 0 and (tmp_path / "run" / "generated" / "1" / "grid.png").is_file(), drawn.stderr
    measured = command("-m", "cvae", "evaluate", *where, "--count", 8)
    assert measured.returncode == 0 and "validation loss" in measured.stdout, measured.stderr
    loss = json.loads((tmp_path / "run" / "evaluation.json").read_text())["validation"]["loss"]
    assert loss == pytest.approx(min(first["val_loss"], second["val_loss"]), rel=1e-4)


def test_what_is_in_the_way_is_an_error(run, embedded, tmp_path):
    with pytest.raises(UserError, match=r"holds a run already; add --resume"):
        train("64-image", embedded, run, SMALL)
    wrong = {"width": 0.5, "seed": 1, "epochs": 2}
    with pytest.raises(UserError, match=r"width: 0.0625, not 0.5; seed: 0, not 1; leave out what differs"):
        train("64-image", embedded, run, wrong, resume=True)
    with pytest.raises(UserError, match="variant: 64-image, not 64-text; seed: 0, not 1"):
        train("64-text", embedded, run, {"seed": 1}, resume=True)
    with pytest.raises(UserError, match="has 2 epochs already"):
        train(None, None, run, {"epochs": 1}, resume=True)
    with pytest.raises(UserError, match="holds no run that says what to train; give --variant"):
        train(None, None, tmp_path / "nothing", resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        train("64-image", embedded, tmp_path / "file", SMALL)
    (tmp_path / "file").unlink()
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="holds files but no run.json.*another --run"):
        train("64-image", embedded, tmp_path, SMALL, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--variant", "32-image"], ["no variant '32-image'", "64-image"]),
        (["--variant", "64-image", "--epochs", "0"], ["--epochs"]),
        (["--variant", "64-image", "--width", "-1"], ["--width"]),
        (["--variant", "64-image", "--batch-size", "9999"], ["batch of 9999"]),
    ],
)
def test_wrong_options_give_one_sentence(embedded, tmp_path, options, words):
    process = command("-m", "cvae", "train", "--data", embedded, "--run", tmp_path / "run", *options)
    assert_user_error(process, *words)
    assert not (tmp_path / "run").exists()


def test_data_that_are_not_there_give_one_sentence(tmp_path):
    process = command("-m", "cvae", "train", "--variant", "64-image", "--data", tmp_path)
    assert_user_error(process, tmp_path, "clip_wrapper.py")


@pytest.mark.parametrize("name", ["64-image", "128-flow", "celeba-cvae-both"])
def test_a_variants_own_data_that_are_not_there_are_named_with_the_page_that_prepares_them(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    system = system_of(name)
    with pytest.raises(UserError, match=f"{system.variants[name].data}, which .*docs/{system.name}.md"):
        train(name, None, "run")
    assert (ROOT / "docs" / f"{system.name}.md").is_file()


def test_a_log_tells_how_training_went(run):
    for row in read_log(run):
        assert row["gradient_norm"] > 0 and row["parameter_norm"] > 0
        assert row["seconds"] > 0 and row["images_per_second"] > 0 and row["peak_memory_mb"] > 100
    assert Run(run).settings["precision"] == "float32"


def test_grids_show_captions_of_validation_images_or_prompts_of_ones_own(run, embedded, tmp_path):
    held_out = read_held_out(read_info(embedded), 64, 8)
    with np.load(run / "prompts.npz") as stored:
        assert set(stored["prompts"]) <= set(held_out.captions)
    (tmp_path / "prompts.txt").write_text("a red barn\n\na pond\n")
    own = tmp_path / "run"
    options = ("--variant", "64-image", "--data", embedded, "--run", own, "--prompts", tmp_path / "prompts.txt")
    process = command("-m", "cvae", "train", *options, *SMALL_OPTIONS, "--epochs", 1)
    assert process.returncode == 0, process.stderr
    with np.load(own / "prompts.npz") as stored:
        assert stored["prompts"].tolist() == ["a red barn", "a pond"]
    assert "Below 1,500 steps" in process.stdout
    # Not a terminal: no bar that is drawn over itself.
    assert "\r" not in process.stderr and process.stderr.count("\n") <= 4


def test_models_without_prompts_take_none(embedded, tmp_path):
    with pytest.raises(UserError, match="64-autoencoder takes no prompts"):
        train("64-autoencoder", embedded, tmp_path / "run", prompts=["a cow"])
