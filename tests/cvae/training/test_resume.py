import json
import shutil

import numpy as np
import pytest

from cvae.keras_files import BEST, LAST
from cvae.log import LOG, read_log, write_log
from cvae.runs import CONFIG, Run
from cvae.training.callbacks import RunWriter
from cvae.training.loop import train
from cvae.training.resume import open_training
from preprocess.utils.command import sentence_of
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json
from tests.helpers import (
    SMALL,
    SMALL_OPTIONS,
    assert_same_history,
    assert_same_weights,
    command,
    start,
    wait_for,
)


def train_one_epoch(embedded, run):
    """Trains `SMALL` and interrupts it after its first epoch."""

    def interrupt(run):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        train("64-image", embedded, run, SMALL, on_epoch=interrupt)
    assert sentence_of(caught.value, "run it again") == f"interrupted; what is finished in {run} is kept; run it again."


def test_a_resumed_run_ends_as_an_undisturbed_one(run, embedded, tmp_path):
    resumed = tmp_path / "run"
    train_one_epoch(embedded, resumed)
    # All else is in its run.json.
    process = command("-m", "cvae", "train", "--resume", "--run", resumed)
    assert process.returncode == 0 and "Trained 64-image for 2 epochs" in process.stdout, process.stderr
    assert_same_history(read_log(resumed), read_log(run))
    assert_same_weights(Run(resumed).model(LAST), Run(run).model(LAST))


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_as_an_undisturbed_one(run, embedded, tmp_path):
    killed = tmp_path / "run"
    arguments = ("-m", "cvae", "train", "--variant", "64-image", "--data", embedded, "--run", killed, "--resume")
    process = start(*arguments, *SMALL_OPTIONS)
    wait_for(process, (killed / LAST).exists)
    process.kill()
    process.wait()
    again = command(*arguments, *SMALL_OPTIONS)
    assert again.returncode == 0 and "Trained 64-image for 2 epochs" in again.stdout, again.stderr
    assert_same_history(read_log(killed), read_log(run))


@pytest.mark.slow
def test_a_kill_between_log_and_checkpoint_is_mended(run, embedded, tmp_path):
    killed = tmp_path / "run"
    train_one_epoch(embedded, killed)
    shutil.copy(run / "log.csv", killed / "log.csv")  # the second epoch's row without its checkpoint
    history = train("64-image", embedded, killed, SMALL, resume=True)
    assert [row["epoch"] for row in history] == [1, 2]
    assert int(Run(killed).model(LAST).optimizer.iterations) == int(Run(run).model(LAST).optimizer.iterations)


@pytest.mark.slow
def test_a_lost_log_is_not_trained_over(embedded, tmp_path):
    train_one_epoch(embedded, tmp_path / "run")
    (tmp_path / "run" / "log.csv").unlink()
    with pytest.raises(UserError, match="has lost its log.csv"):
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


def test_a_run_whose_learning_rate_has_decayed_is_trained_on(run, tmp_path):
    longer = tmp_path / "run"
    shutil.copytree(run, longer)
    history = train(None, None, longer, {"epochs": 4}, resume=True)
    # It warms up again, and falls over the epochs that were added.
    assert [row["learning_rate"] for row in history] == pytest.approx([5e-4, 2.5e-4, 2.5e-4, 2.5e-4])
    assert Run(longer).settings["extended"] == [2] and Run(longer).settings["epochs"] == 4
    assert_same_history(history[:2], read_log(run))


def test_a_run_goes_on_only_with_the_data_that_it_began_with(run, tmp_path):
    changed = shutil.copytree(run, tmp_path / "run")
    # As if its data had been made again from other photographs, in the same place.
    opened = Run(changed)
    opened.update(data_settings=opened.config["data_settings"] | {"photos": "others"})
    with pytest.raises(UserError, match="are not what they were when it was begun"):
        train(None, None, changed, {"epochs": 3}, resume=True)


def test_a_run_without_a_finished_epoch_begins_as_it_was_asked_for(embedded, tmp_path, monkeypatch):
    folder = tmp_path / "run"

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(RunWriter, "on_epoch_end", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train("64-image", embedded, folder, SMALL | {"epochs": 1})
    assert (folder / "samples" / "epoch-0001.png").is_file()
    task, begun = open_training(None, None, folder, {}, resume=True)
    assert not begun and task.variant_name == "64-image" and task.config["data"] == str(embedded.resolve())
    assert (task.settings.epochs, task.settings.width, task.settings.batch_size) == (1, 1 / 16, 8)
    task, _ = open_training("64-text", embedded, folder, {"epochs": 5})
    assert task.variant_name == "64-text" and task.settings.width == 1


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        ([LAST], "has lost its last.keras; .* to keep best.keras"),
        ([BEST], "has lost its best.keras"),
        # What was drawn is all that is left.
        ([LAST, BEST, LOG, "loss.png"], "has lost its last.keras"),
    ],
)
def test_a_run_that_has_lost_a_file_is_never_begun_anew_unasked(run, embedded, tmp_path, lost, words):
    damaged = shutil.copytree(run, tmp_path / "run")
    (damaged / "generated").mkdir(exist_ok=True)
    for name in lost:
        (damaged / name).unlink()
    before = sorted(damaged.rglob("*"))
    for epochs in (2, 3):
        with pytest.raises(UserError, match=words):
            train(None, None, damaged, {"epochs": epochs}, resume=True)
    with pytest.raises(UserError, match=words):
        train("64-text", embedded, damaged, SMALL)
    assert sorted(damaged.rglob("*")) == before


@pytest.mark.parametrize("written", [(), (LOG,), (LOG, BEST)])
def test_a_training_ended_while_its_first_epoch_was_written_goes_on(embedded, tmp_path, written):
    """The files of an epoch are written in an order; a kill may come between any two."""
    folder = tmp_path / "run"
    train_one_epoch(embedded, folder)
    for name in {LOG, BEST, LAST} - set(written):
        (folder / name).unlink()
    assert [row["epoch"] for row in train(None, None, folder, resume=True)] == [1, 2]
    assert (folder / LAST).is_file() and (folder / BEST).is_file()


def test_a_run_whose_model_is_cut_short_is_not_called_trained(run, tmp_path):
    damaged = shutil.copytree(run, tmp_path / "run")
    (damaged / BEST).write_bytes((run / BEST).read_bytes()[:1000])
    with pytest.raises(
        UserError, match="best.keras is damaged; put a copy of it back, or train again with --overwrite"
    ):
        train(None, None, damaged, resume=True)


def test_a_damaged_run_json_can_be_overwritten(run, embedded, tmp_path):
    damaged = shutil.copytree(run, tmp_path / "run")
    (damaged / CONFIG).write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        train("64-image", embedded, damaged, SMALL, resume=True)
    _, begun = open_training("64-image", embedded, damaged, SMALL, overwrite=True)
    assert not begun
    with pytest.raises(UserError, match="give --variant to begin one"):
        open_training(None, embedded, damaged, SMALL, overwrite=True)


def test_a_flow_that_has_lost_its_model_keeps_what_it_drew(flow_run, tmp_path):
    damaged = shutil.copytree(flow_run, tmp_path / "run")
    (damaged / LAST).unlink()
    with pytest.raises(UserError, match="has lost its last.keras"):
        train(None, None, damaged, resume=True)
    assert (damaged / BEST).is_file()


def test_a_run_json_that_was_edited_wrongly_or_is_lost_is_named(run, embedded, tmp_path):
    damaged = shutil.copytree(run, tmp_path / "run")
    Run(damaged).update(settings=Run(damaged).settings | {"epochs": "many"})
    with pytest.raises(UserError, match=r"run.json is damaged \(settings.epochs"):
        train(None, None, damaged, resume=True)
    (damaged / CONFIG).unlink()
    for options in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(UserError, match="holds files but no run.json; put a run's back, or name another --run"):
            train("64-image", embedded, damaged, SMALL, **options)
    assert (damaged / BEST).is_file()


def test_data_that_are_gone_are_named(run, tmp_path):
    moved = shutil.copytree(run, tmp_path / "run")
    Run(moved).update(data=str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"gone, are not there any more; give --data where they are\."):
        train(None, None, moved, {"epochs": 3}, resume=True)


def test_a_resumed_run_that_is_not_there_and_epochs_in_vain_are_noted(run, embedded, tmp_path):
    arguments = ("-m", "cvae", "train", "--variant", "64-image", "--data", embedded, *SMALL_OPTIONS)
    begun = command(*arguments, "--resume", "--run", tmp_path / "typo", "--epochs", 1)
    assert begun.returncode == 0 and "typo is not there; a run is begun in it." in begun.stdout, begun.stderr
    # As if the first epoch had been better than any can be.
    vain = shutil.copytree(run, tmp_path / "run")
    history = read_log(vain)
    history[0]["val_loss"] = 0.0
    write_log(vain, history)
    longer = command("-m", "cvae", "train", "--resume", "--run", vain, "--epochs", 3)
    assert "note: the epochs after 2 brought nothing better" in longer.stdout, longer.stderr


def test_a_run_keeps_its_prompts(run, embedded, tmp_path):
    settings = SMALL | {"epochs": 1}
    train("64-image", embedded, tmp_path / "run", settings, prompts=["a white goat"])
    train(None, None, tmp_path / "run", {"epochs": 2}, resume=True)
    with np.load(tmp_path / "run" / "prompts.npz") as stored:
        assert list(stored["prompts"]) == ["a white goat"]


def test_data_that_have_moved_are_found_again(run, embedded, tmp_path):
    moved = shutil.copytree(run, tmp_path / "run")
    data = shutil.copytree(embedded, tmp_path / "data")
    train(None, data, moved, {}, resume=True)
    assert Run(moved).config["data"] == str(data.resolve())
