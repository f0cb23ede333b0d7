"""The models of portraits side by side on one data set: trains them one after another, measures and draws them."""

import pathlib

import numpy as np

from cvae.generation import condition_for, draw
from cvae.plots import save_grid
from cvae.portrait_evaluation import evaluate_portraits, mean_accuracy
from cvae.prompts import PORTRAIT_PROMPTS
from cvae.runs import load_model
from cvae.training import check_run, open_task, settings_of, train
from preprocess.attributes import HAIR_COLOURS
from preprocess.datasets import read_info
from preprocess.errors import UserError
from preprocess.files import MANIFEST, sole_use, write_json, write_text
from preprocess.quiet import import_keras

ROWS = ("celeba-cvae", "celeba-cvae-gan", "celeba-wgan-gp")
# Pictures of each prompt and model in the figure.
PICTURES = 2


def compare_portraits(data, out, given, rows=ROWS, count=1000):
    """Trains models of portraits, and writes comparison.md, comparison.json and comparison.png.

    Each row is a run folder in `out`; run again, finished rows stay and an unfinished one goes on.

    Args:
        data: a folder of embedded portraits.
        out: the output folder.
        given: {name: value} of `cvae.training.Settings`, in place of the variants' own.
        rows: variants of portraits.
        count: see `cvae.portrait_evaluation.evaluate_portraits`.

    Returns:
        The rows as comparison.json has them: what `evaluate_portraits` gives.

    Raises:
        UserError: see `cvae.training.train` and `evaluate_portraits`.
    """
    out, info = pathlib.Path(out), read_info(data)
    settings = {name: settings_of(name, given) for name in rows}
    for name in rows:
        settings[name].check()
        task = open_task(name, data, settings[name])
        check_run(out / name, task, resume=True)
        task.check_data()
    if (out / MANIFEST).exists():
        raise UserError(f"{out} holds a data set; choose another --out.")
    with sole_use(out):
        results, pictures = [], []
        for name in rows:
            print(f"{name}:")
            train(name, data, out / name, settings[name], resume=True)
            results.append(evaluate_portraits(out / name, data, count, settings[name].seed))
            conditions = condition_for(out / name, PORTRAIT_PROMPTS)
            pictures.append(draw(load_model(out / name), conditions, PICTURES, settings[name].seed))
            # Several models in one process would keep several graphs.
            import_keras().backend.clear_session()
        headings = [name for name in rows for _ in range(PICTURES)]
        save_grid(out / "comparison.png", np.concatenate(pictures, axis=1), PORTRAIT_PROMPTS, headings=headings)
        write_json(out / "comparison.json", {"rows": results})
        counts = info.counts
        about = (
            f"{counts['train']} training and {counts['val']} validation portraits, embedded by {info.clip['name']}; "
            f"{results[0]['count']} pictures a model, of the attributes of as many validation portraits, judged by a "
            "classifier of validation portraits. Real portraits are those of training, which it has not seen, twice as "
            "many: the two halves have the distances of the last row, and the pictures those to one of them. "
            "Accuracies are means over portraits with and without an attribute: 50 % is chance."
        )
        write_text(out / "comparison.md", f"{format_portraits(results)}\n\n{format_attributes(results)}\n\n{about}\n")
    return results


def format_portraits(results):
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


def format_attributes(results):
    """How often each attribute is seen as asked, as a Markdown table: a column a model, real portraits last."""
    lines = [
        f"| attribute | {' | '.join(row['variant'] for row in results)} | real portraits |",
        "|---" * (len(results) + 2) + "|",
    ]
    for name in results[0]["attributes"]:
        shares = [row["attributes"][name]["pictures"] for row in results] + [results[0]["attributes"][name]["real"]]
        lines.append(f"| {name.replace('_', ' ')} | {' | '.join(f'{share:.1%}' for share in shares)} |")
    return "\n".join(lines)
