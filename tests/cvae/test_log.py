import pytest

from cvae.log import GAUGES, best_epoch, describe_epoch, read_log, write_log
from preprocess.utils.errors import UserError


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
