"""log.csv of a run: a row an epoch."""

import csv
import io
import pathlib
from typing import Any

from preprocess.utils.errors import UserError
from preprocess.utils.files import write_text
from preprocess.utils.load import read_table, to_number

LOG, CURVES = "log.csv", "loss.png"
# Columns of log.csv that say how training went, and not how good the model is.
GAUGES = ("learning_rate", "gradient_norm", "parameter_norm", "seconds", "images_per_second", "peak_memory_mb")

Row = dict[str, Any]


def write_log(folder: pathlib.Path, history: list[Row]) -> None:
    """Writes log.csv from a list of one dict an epoch. Rows of older versions lack some columns, which stay empty."""
    names = dict.fromkeys(name for row in history for name in row)
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(folder / LOG, table.getvalue())


def read_log(folder: pathlib.Path) -> list[Row]:
    """Reads log.csv: a dict an epoch, "epoch" an int and all else floats; an empty list if there is none.

    Raises:
        UserError: it is damaged.
    """
    path = folder / LOG
    if not path.is_file():
        return []
    remedy = "put it back, or begin the run anew with --overwrite"
    rows: list[Row] = []
    for number, texts in enumerate(read_table(path, remedy, ("epoch", "loss")), 1):
        row: Row = {name: to_number(text) for name, text in texts.items() if text}
        epoch = row.get("epoch") or 0
        later = epoch == int(epoch) and epoch > (rows[-1]["epoch"] if rows else 0)
        if None in row.values() or not later or "loss" not in row:
            raise UserError(f"{path} is damaged (row {number}); {remedy}.")
        rows.append(row | {"epoch": int(epoch)})
    return rows


def best_epoch(history: list[Row]) -> Row:
    """The row of the lowest validation loss; of a GAN, which has none, the newest."""
    if "val_loss" not in history[0]:
        return history[-1]
    return min(history, key=lambda row: row["val_loss"])


def describe_epoch(row: Row) -> str:
    """What a row of the log says, of validation where there was any."""
    validated = "val_loss" in row
    own = {name: value for name, value in row.items() if name not in ("epoch", "loss", "val_loss", *GAUGES)}
    parts = {
        name.removeprefix("val_"): value for name, value in own.items() if name.startswith("val_") or not validated
    }
    described = ", ".join(f"{name} {value:.{1 if abs(value) >= 10 else 3}f}" for name, value in parts.items())
    if not validated:
        return f"loss {row['loss']:.5g} in the last epoch ({described})"
    where = f" ({described})" if described else ""
    return f"best validation loss {row['val_loss']:.5g} in epoch {row['epoch']}{where}"
