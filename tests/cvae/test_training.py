import json
import shutil

import numpy as np
import pytest
from conftest import assert_user_error, command, start, wait_for

from cvae.runs import BEST, LAST, best_epoch, load_model, read_config, read_log
from cvae.training import Settings, train
from cvae.variants import VARIANTS
from preprocess.errors import UserError
from preprocess.files import write_json

SMALL = Settings(epochs=2, batch_size=8, width=1 / 16, precision="float32", decay=True)
SMALL_OPTIONS = ("--epochs", 2, "--batch-size", 8, "--width", 1 / 16, "--precision", "float32", "--decay")


def test_the_table_of_variants():
    plain = [v for v in VARIANTS.values() if v.system == "photos" and v.theme is None]
    found = {(v.image_size, v.condition, v.dropout) for v in plain}
    assert found == {(s, c, d) for s in (64, 128) for c in ("image", "text") for d in (0.3, 0.0)}
    assert VARIANTS["128-image-large"].theme == "large"


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
    config = read_config(run)
    assert config["variant"] == "64-image" and config["data"] == str(embedded.resolve())
    assert len(config["clip"]["weights_sha256"]) == 64


def test_the_best_model_is_that_of_the_best_epoch(run, embedded):
    from preprocess.datasets import load

    model = load_model(run)
    model.compile()
    from cvae.callbacks import SeedByEpoch

    data = load(embedded, 64, "image", "val", 8).map(lambda image, embedding: ((image, embedding),))
    values = model.evaluate(data, return_dict=True, verbose=0, callbacks=[SeedByEpoch(0)])
    assert values["loss"] == pytest.approx(best_epoch(read_log(run))["val_loss"], rel=1e-4)


def train_one_epoch(embedded, run):
    """Trains `SMALL` and interrupts it after its first epoch."""

    def interrupt(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("64-image", embedded, run, SMALL, on_epoch=interrupt)


def test_a_resumed_run_ends_as_an_undisturbed_one(run, embedded, tmp_path):
    resumed = tmp_path / "run"
    train_one_epoch(embedded, resumed)
    train_again = ("-m", "cvae", "train", "--variant", "64-image", "--data", embedded, "--run", resumed)
    process = command(*train_again, *SMALL_OPTIONS, "--resume")
    assert process.returncode == 0 and "2 epochs" in process.stdout, process.stderr
    for left, right in zip(read_log(resumed), read_log(run), strict=True):
        assert left == pytest.approx(right, rel=1e-5)
    for left, right in zip(load_model(resumed, LAST).weights, load_model(run, LAST).weights):
        np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_undisturbed_one(run, embedded, tmp_path):
    killed = tmp_path / "run"
    arguments = ("-m", "cvae", "train", "--variant", "64-image", "--data", embedded, "--run", killed, "--resume")
    process = start(*arguments, *SMALL_OPTIONS)
    wait_for(process, (killed / LAST).exists)
    process.kill()
    process.wait()
    again = command(*arguments, *SMALL_OPTIONS)
    assert again.returncode == 0 and "2 epochs" in again.stdout, again.stderr
    for left, right in zip(read_log(killed), read_log(run), strict=True):
        assert left == pytest.approx(right, rel=1e-5)


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
    assert drawn.returncode == 0 and (tmp_path / "run" / "generated" / "grid.png").is_file(), drawn.stderr
    measured = command("-m", "cvae", "evaluate", *where, "--count", 8)
    assert measured.returncode == 0 and "validation loss" in measured.stdout, measured.stderr
    loss = json.loads((tmp_path / "run" / "evaluation.json").read_text())["validation"]["loss"]
    assert loss == pytest.approx(min(first["val_loss"], second["val_loss"]), rel=1e-4)


def test_a_kill_between_log_and_checkpoint_is_mended(run, embedded, tmp_path):
    killed = tmp_path / "run"
    train_one_epoch(embedded, killed)
    shutil.copy(run / "log.csv", killed / "log.csv")  # the second epoch's row without its checkpoint
    history = train("64-image", embedded, killed, SMALL, resume=True)
    assert [row["epoch"] for row in history] == [1, 2]
    assert int(load_model(killed, LAST).optimizer.iterations) == int(load_model(run, LAST).optimizer.iterations)


def test_a_lost_log_is_not_trained_over(embedded, tmp_path):
    train_one_epoch(embedded, tmp_path / "run")
    (tmp_path / "run" / "log.csv").unlink()
    with pytest.raises(UserError, match="log.csv has 0 rows for 1 epoch"):
        train("64-image", embedded, tmp_path / "run", SMALL, resume=True)


def test_a_finished_run_is_left_as_it_is(run, embedded):
    before = (run / LAST).stat().st_mtime_ns
    assert len(train("64-image", embedded, run, SMALL, resume=True)) == 2
    assert (run / LAST).stat().st_mtime_ns == before


def test_a_run_goes_on_only_with_embeddings_of_its_own_size(run, embedded, tmp_path):
    other = tmp_path / "embedded"
    shutil.copytree(embedded, other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["settings"]["clip"]["embedding_dim"] = 256
    write_json(other / "manifest.json", manifest)
    with pytest.raises(UserError, match=r"embeddings of 256 numbers, .* of 512"):
        train("64-image", other, run, SMALL, resume=True)


def test_what_is_in_the_way_is_an_error(run, embedded, tmp_path):
    with pytest.raises(UserError, match=r"there already; add --resume"):
        train("64-image", embedded, run, SMALL)
    with pytest.raises(UserError, match="decays over 2 epochs"):
        train("64-image", embedded, run, Settings(**vars(SMALL) | {"epochs": 3}), resume=True)
    with pytest.raises(UserError, match=r"other settings or data \(seed, width\)"):
        train("64-image", embedded, run, Settings(**vars(SMALL) | {"width": 0.5, "seed": 1}), resume=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        train("64-image", embedded, tmp_path / "file", SMALL)
    (tmp_path / "file").unlink()
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not a run folder.*another --run"):
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
