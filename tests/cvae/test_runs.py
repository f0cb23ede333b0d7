import json

import pytest

from cvae.runs import GAUGES, Run, best_epoch, describe_epoch, is_run, load_run, read_log, write_log
from preprocess.utils.errors import UserError

CONFIG = {"variant": "64-image", "data": "nowhere", "settings": {"epochs": 2, "batch_size": 8, "seed": 0}}


def test_a_run_is_opened_by_its_folder_and_can_be_changed(tmp_path):
    assert not is_run(tmp_path)
    run = Run.create(tmp_path, CONFIG)
    assert is_run(tmp_path) and run.system.name == "coursework" and run.variant.image_size == 64
    run.update(settings=CONFIG["settings"] | {"epochs": 4})
    assert load_run(tmp_path).settings["epochs"] == 4
    with pytest.raises(UserError, match="knows no encoder"):
        _ = run.encoder
    with pytest.raises(UserError, match="nowhere, are not there any more; look for them"):
        run.data_info("look for them")
    with pytest.raises(UserError, match="has no best.keras"):
        run.model()


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps(CONFIG | {"settings": None})])
def test_what_is_no_run_json_gives_one_sentence(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run.json is not what `python -m cvae train` writes"):
        load_run(tmp_path)


def test_logs_of_older_versions_lack_columns_and_are_read(tmp_path):
    old, new = {"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5, "seconds": 3.0}
    write_log(tmp_path, [old, new])
    assert read_log(tmp_path) == [old, new]
    (tmp_path / "log.csv").write_text("epoch,loss\n1,two\n")
    with pytest.raises(UserError, match=r"log.csv is damaged"):
        read_log(tmp_path)


def test_the_best_epoch_is_described_without_gauges():
    rows = [{"epoch": epoch, "loss": 3.0, "val_loss": value, "val_bce": 12.0} for epoch, value in ((1, 2.5), (2, 2.25))]
    for row in rows:
        row.update(dict.fromkeys(GAUGES, 7.0))
    assert describe_epoch(best_epoch(rows)) == "best validation loss 2.25 in epoch 2 (bce 12.0)"
    gan = [{"epoch": 1, "loss": -1.0, "penalty": 0.125, "seconds": 1.0}]
    assert describe_epoch(best_epoch(gan)) == "loss -1 in the last epoch (penalty 0.125)"
