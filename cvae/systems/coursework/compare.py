"""The coursework's table of results on one data set: trains its rows one after another and shows them side by side."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cvae.evaluation.report import Report, check_comparison
from cvae.log import best_epoch
from cvae.registry import find_variant
from cvae.runs import Run
from cvae.sampling.draw import draw
from cvae.sampling.prompts import PROMPTS
from cvae.systems.coursework import DATA
from cvae.training.loop import train
from cvae.training.resume import open_training
from cvae.training.settings import Settings, settings_for
from cvae.utils.arrays import to_one_size
from cvae.utils.plots import save_grid
from preprocess.shards.info import DataInfo, read_info
from preprocess.utils.errors import UserError, counted
from preprocess.utils.files import write_json, write_text
from preprocess.utils.folders import sole_use
from preprocess.utils.quiet import import_keras


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the coursework's table: its name for a variant, and the best validation loss that it reported."""

    name: str
    variant: str
    reported: int
    reported_epoch: int
    remark: str = ""


ROWS = (
    Row("64x64 image-embedding", "64-image", 2376, 25),
    Row("64x64 text-embedding", "64-text", 2526, 8),
    Row("128x128 image-embedding", "128-image", 9227, 25),
    Row("128x128 text-embedding", "128-text", 9701, 9),
    Row("128x128 image-embedding, no dropout", "128-image-no-dropout", 9386, 10),
    Row("128x128 text-embedding, no dropout", "128-text-no-dropout", 9085, 10),
    Row("128x128 image-embedding, large theme", "128-image-large", 9450, 10, "theirs validated on its training images"),
)


def choose_rows(text: str) -> tuple[Row, ...]:
    """The rows of `ROWS` that a text such as "1, 2" names by number, all for an empty one.

    Raises:
        UserError: it names none, or one that is not there.
    """
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    if not all(number.isdecimal() and 1 <= int(number) <= len(ROWS) for number in numbers):
        raise UserError(f"rows are named by numbers from 1 to {len(ROWS)}, such as 1,2; not '{text}'.")
    return tuple(ROWS[number - 1] for number in dict.fromkeys(map(int, numbers))) or ROWS


def compare(
    data: str | None,
    out: str | pathlib.Path | None,
    given: Mapping[str, Any],
    large_data: str | None = None,
    rows: Sequence[Row] = ROWS,
) -> Report:
    """Trains the rows of the coursework's table, and writes comparison.md, comparison.json and comparison.png.

    Each row is a run folder in `out`; run again, finished rows stay and an unfinished one goes on.

    Args:
        data: a folder of embedded shards, for all rows but the last; None for the default.
        out: the output folder; None for runs/comparison.
        given: {name: value} of `Settings`, for every row.
        large_data: embedded shards of the large theme, for the last row. Without them that row is left out, or is the
            third row again where `data` are of that theme.
        rows: of `ROWS`.

    Raises:
        UserError: see `cvae.training.loop.train`; or the two folders were embedded by different encoders.
    """
    data, out = data or DATA, pathlib.Path(out or "runs/comparison")
    info, large_info = read_info(data), read_info(large_data or data)
    _check_data(data, info, large_data, large_info)
    plans = [(row, *_plan(row, data, large_data, large_info.theme)) for row in rows]
    plans = [plan for plan in plans if plan[2]]
    if not plans:
        raise UserError(
            f"{rows[0].name} needs data of the large theme; give --large-data a folder made by --theme large."
        )
    # The same settings for every row, as they suit the first one's data.
    shared = settings_for(find_variant(plans[0][1]), given, info.counts["train"])
    given = {"epochs": shared.epochs, "batch_size": shared.batch_size} | dict(given)
    for _, variant, folder, _ in plans:
        task, _ = open_training(variant, folder, out / variant, given, resume=True)
        task.check_data()
    check_comparison(out)
    with sole_use(out):
        with info.encoder.open() as encoder:
            embeddings = encoder.encode_texts(list(PROMPTS))
        results, pictures = [], []
        for row, variant, folder, remark in plans:
            print(f"{row.name}:")
            best = best_epoch(train(variant, folder, out / variant, given, resume=True))
            model = Run(out / variant).model()
            if model.layout == 1:
                remark = f"{remark}; ours with version 0.1's encoder".removeprefix("; ")
            results.append(_result(row, variant, best, remark))
            pictures.append(draw(model, embeddings, 1, shared.seed)[:, 0])
            # Seven models in one process would keep seven graphs.
            import_keras().backend.clear_session()
        _write(out, info, large_info, shared, results, pictures)
    return Report(results, format_table(results), f"{out}/comparison.md, .json and .png")


def _check_data(data: str, info: DataInfo, large_data: str | None, large_info: DataInfo) -> None:
    if large_data and large_info.theme != "large":
        raise UserError(
            f"{large_data} is of the theme {large_info.theme}; give --large-data one made by --theme large."
        )
    if info.encoder.clip != large_info.encoder.clip:
        raise UserError(f"{data} and {large_data} were embedded by different encoders; embed both by one.")


def _plan(row, data, large_data, large_theme):
    """The variant, the data (None if there are none) and the remark of a row."""
    if find_variant(row.variant).theme != "large":
        return row.variant, data, row.remark
    if large_theme != "large":
        return row.variant, None, row.remark
    if large_data:
        return row.variant, large_data, row.remark
    return "128-image", data, f"{row.remark}; ours is the third row again, of these data"


def _result(row, variant, best, remark):
    pixels = find_variant(variant).image_size ** 2
    return {
        "name": row.name,
        "variant": variant,
        "epoch": best["epoch"],
        **{name: best[f"val_{name}"] for name in ("loss", "bce", "kl", "ssim")},
        "nats_per_pixel": best["val_bce"] / pixels,
        "reported": row.reported,
        "reported_epoch": row.reported_epoch,
        "remark": remark,
    }


def format_table(results: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table, the coursework's figures beside ours."""
    lines = [
        "| model | best validation loss | bce | kl | ssim | nats a pixel | the coursework's, on other data |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results:
        theirs = f"{row['reported']} (epoch {row['reported_epoch']}{'; ' if row['remark'] else ''}{row['remark']})"
        lines.append(
            f"| {row['name']} | {row['loss']:.1f} (epoch {row['epoch']}) | {row['bce']:.1f} | {row['kl']:.1f} | "
            f"{row['ssim']:.3f} | {row['nats_per_pixel']:.3f} | {theirs} |"
        )
    return "\n".join(lines)


def _describe(info):
    counts = info.counts
    return {"theme": info.theme, "train": counts["train"], "val": counts["val"], "encoder": info.encoder.clip["name"]}


def _write(
    out: pathlib.Path,
    info: DataInfo,
    large_info: DataInfo,
    settings: Settings,
    results: list[dict[str, Any]],
    pictures: list[np.ndarray],
) -> None:
    variants = [row["variant"] for row in results]
    headings = [
        row["name"] + (" (the same model)" if row["variant"] in variants[:index] else "")
        for index, row in enumerate(results)
    ]
    data, large = _describe(info), _describe(large_info)
    # First: it says that the others are a comparison's.
    write_json(
        out / "comparison.json",
        {"rows": results, "data": data, "large_data": large, "settings": dataclasses.asdict(settings)},
    )
    save_grid(out / "comparison.png", np.stack(to_one_size(pictures), axis=1), PROMPTS, headings=headings)
    about = (
        f"{data['train']} training and {data['val']} validation images of the theme {data['theme']}, embedded by "
        f"{data['encoder']}; {counted(settings.epochs, 'epoch')}, batches of {settings.batch_size}, learning rate "
        f"{settings.learning_rate:g}, width {settings.width:g}."
    )
    write_text(out / "comparison.md", f"{format_table(results)}\n\n{about}\n")
