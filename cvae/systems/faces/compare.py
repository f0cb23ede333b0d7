"""The models of faces side by side on one data set: trains them one after another, measures and draws them."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cvae.evaluation.report import Report, check_comparison
from cvae.runs import Run
from cvae.sampling.draw import draw
from cvae.systems.faces import DATA, SYSTEM
from cvae.systems.faces.conditions import PROMPTS
from cvae.systems.faces.evaluate import evaluate, mean_accuracy
from cvae.training.loop import train
from cvae.training.resume import open_training
from cvae.utils.plots import save_grid
from preprocess.celeba.attributes import HAIR_COLOURS
from preprocess.shards.info import DataInfo, read_info
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json, write_text
from preprocess.utils.folders import sole_use
from preprocess.utils.quiet import import_keras

ROWS = ("celeba-cvae", "celeba-cvae-gan", "celeba-wgan-gp")
# Pictures of each prompt and model in the figure.
PICTURES = 2


def choose_variants(text: str | None) -> tuple[str, ...]:
    """The variants that a text such as "celeba-cvae, celeba-wgan-gp" names; the usual ones for None.

    Raises:
        UserError: it names none, or one that is not there.
    """
    if text is None:
        return ROWS
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UserError(f"no variant is named; choose some of: {', '.join(SYSTEM.variants)}.")
    if others := [name for name in names if name not in SYSTEM.variants]:
        raise UserError(f"'{others[0]}' is no variant of faces; choose some of: {', '.join(SYSTEM.variants)}.")
    return names


def compare(
    data: str | pathlib.Path | None,
    out: str | pathlib.Path | None,
    given: Mapping[str, Any],
    variants: str | None = None,
    count: int = 1000,
) -> Report:
    """Trains models of faces, and writes comparison.md, comparison.json and comparison.png.

    Each row is a run folder in `out`; run again, finished rows stay and an unfinished one goes on.

    Args:
        data: a folder of embedded portraits; None for the default.
        out: the output folder; None for runs/faces.
        given: {name: value} of `cvae.training.settings.Settings`, in place of the variants' own.
        variants: see `choose_variants`.
        count: see `cvae.systems.faces.evaluate.evaluate`.

    Raises:
        UserError: see `cvae.training.loop.train` and `evaluate`.
    """
    rows, data, out = choose_variants(variants), data or DATA, pathlib.Path(out or "runs/faces")
    info = read_info(data)
    for name in rows:
        task, _ = open_training(name, data, out / name, given, resume=True)
        task.check_data()
    check_comparison(out)
    with sole_use(out):
        results, pictures = [], []
        for name in rows:
            print(f"{name}:")
            train(name, data, out / name, given, resume=True)
            run = Run(out / name)
            results.append(evaluate(run, str(data), count, run.settings["seed"]).figures)
            pictures.append(draw(run.model(), run.condition(list(PROMPTS)), PICTURES, run.settings["seed"]))
            # Several models in one process would keep several graphs.
            import_keras().backend.clear_session()
        # First: it says that the picture is a comparison's.
        _write(out, info, results)
        headings = [name for name in rows for _ in range(PICTURES)]
        save_grid(out / "comparison.png", np.concatenate(pictures, axis=1), PROMPTS, headings=headings)
    return Report(results, format_table(results), f"{out}/comparison.md, .json and .png")


def _write(out: pathlib.Path, info: DataInfo, results: list[dict[str, Any]]) -> None:
    write_json(out / "comparison.json", {"rows": results})
    counts = info.counts
    about = (
        f"{counts['train']} training and {counts['val']} validation portraits, embedded by "
        f"{info.encoder.clip['name']}; {results[0]['count']} pictures a model, of the attributes of as many validation "
        "portraits, judged by a classifier of validation portraits. Real portraits are those of training, which it has "
        "not seen, twice as many: the two halves have the distances of the last row, and the pictures those to one of "
        "them. Accuracies are means over portraits with and without an attribute: 50 % is chance."
    )
    write_text(out / "comparison.md", f"{format_table(results)}\n\n{format_attributes(results)}\n\n{about}\n")


def format_table(results: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table, real portraits last."""
    names = ["model", "attributes right", "hair's colour", "sex", "eyeglasses", "smiling"]
    names += ["Frechet", "CMMD", "diversity", "PSNR", "SSIM"]
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for row in results:
        reconstruction = row.get("reconstruction")
        near = f"{reconstruction['psnr']:.2f} dB | {reconstruction['ssim']:.3f}" if reconstruction else "- | -"
        lines.append(f"| {row['variant']} | {_figures(row, 'pictures')} | {near} |")
    lines.append(f"| real portraits | {_figures(results[0], 'real')} | - | - |")
    return "\n".join(lines)


def _figures(row, key):
    groups = (tuple(row["attributes"]), tuple(HAIR_COLOURS), ("Male",), ("Eyeglasses",), ("Smiling",))
    shares = [f"{mean_accuracy(row['attributes'], names)[key]:.1%}" for names in groups]
    return " | ".join([*shares, *(f"{row[name][key]:.3f}" for name in ("frechet", "cmmd", "diversity"))])


def format_attributes(results: Sequence[Mapping[str, Any]]) -> str:
    """How often each attribute is seen as asked, as a Markdown table: a column a model, real portraits last."""
    lines = [
        f"| attribute | {' | '.join(row['variant'] for row in results)} | real portraits |",
        "|---" * (len(results) + 2) + "|",
    ]
    for name in results[0]["attributes"]:
        shares = [row["attributes"][name]["pictures"] for row in results] + [results[0]["attributes"][name]["real"]]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    return "\n".join(lines)
