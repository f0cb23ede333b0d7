"""What `make demo` did, as a page: `python -m cvae.pasture.report --demo demo` writes demo/index.html."""

import argparse
import html
import pathlib

from typing_extensions import TypedDict

from cvae.log import CURVES, describe_epoch
from cvae.pasture.judge import JUDGED
from cvae.presets import preset_names
from cvae.runs import Run
from cvae.utils.plots import data_address
from preprocess.shards.info import read_info
from preprocess.shards.records import captions_of, image_of, read_shard
from preprocess.utils.command import place_name, run_command
from preprocess.utils.errors import UserError, counted, summary
from preprocess.utils.files import write_text
from preprocess.utils.load import read_json, read_text

TITLE = "<title>What the demo did</title>"
PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
{title}
<style>
  body {{ font: 1rem/1.5 sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem }}
  img {{ max-width: 100%; height: auto }}
  figure {{ display: inline-block; margin: .3rem; width: 9rem; vertical-align: top; font-size: .8rem }}
  figure img {{ width: 100% }}
  td, th {{ padding: .1rem .8rem; text-align: left }}
  pre {{ background: #f2f2f2; color: black; padding: .6rem; white-space: pre-wrap }}
</style>
<h1>What the demo did</h1>
{parts}
</html>
"""
NEXT = """make app                     # the page to prompt
source .venv/bin/activate    # before what follows
cvae generate --preset photographs-128 "two cows in the snow"
cvae train --variant 64-flow --data {demo}/embedded --init pasture-128 --batch-size 16 --epochs 10
python offline_preprocess.py --images path/to/your/photographs    # and on as docs/data.md says"""
SOFT = (
    "It is the coursework's model, an eighth as wide and trained for minutes. It draws the mean of all that a caption "
    "may mean, so that its pictures are soft, as docs/faq.md explains; the flow above draws one of them."
)
# Drawn scenes that are shown, of the validation split.
SHOWN, SIZE = 8, 128


class JudgedConfig(TypedDict):
    """What judged.json holds."""

    attributes: dict[str, dict[str, float]]


def write_report(demo: pathlib.Path) -> pathlib.Path:
    """Writes the page.

    Args:
        demo: the folder that `make demo` filled.

    Returns:
        The page's path.

    Raises:
        UserError: a step of the demo has left nothing.
    """
    run = Run(demo / "run")
    parts = [
        _section(
            "A model that comes along drew",
            "<p>What the flow <code>pasture-128</code> draws for the demo's two prompts:</p>"
            + _image("pasture-128.png", "The demo's prompts, drawn by pasture-128"),
        ),
        _section("Drawn, and kept", _data(demo)),
        _section("Trained", _training(run)),
        _section("Generated", _image(_newest(run, "generated", "grid.png", demo), "The demo's prompts")),
        _section("Judged", _judged(run, demo)),
        _section("What next", f"<pre>{html.escape(NEXT.format(demo=demo.name))}</pre>{_presets()}"),
    ]
    path = demo / "index.html"
    if path.exists() and TITLE not in read_text(path, "move it"):
        raise UserError(f"{path} is no page of the demo's; move it.")
    write_text(path, PAGE.format(title=TITLE, parts="\n".join(parts)))
    return path


def _section(heading: str, content: str) -> str:
    return f"<h2>{heading}</h2>\n{content}"


def _image(address: str, said: str) -> str:
    return f'<p><img src="{html.escape(address)}" alt="{html.escape(said)}"></p>'


def _newest(run: Run, command: str, name: str, demo: pathlib.Path) -> str:
    """The newest file of that name that a command left in the run, as the page finds it."""
    found = [path for path in (run.folder / command).glob(f"*/{name}") if path.parent.name.isdecimal()]
    if not found:
        raise UserError(f"{run.folder / command} holds no {name}; run `make demo` again.")
    return max(found, key=lambda path: int(path.parent.name)).relative_to(demo).as_posix()


def _data(demo: pathlib.Path) -> str:
    from PIL import Image

    info = read_info(demo / "embedded")
    counts = info.counts
    text = (
        f"{counted(counts['train'], 'scene')} to train on and {counted(counts['val'], 'scene')} held out, with "
        f"{counted(sum(info.caption_counts.values()), 'caption')}, all embedded by the scenes' small CLIP. "
        "Left out: scenes whose captions are of another theme, and combinations that only the judge asks for."
    )
    figures = []
    for record in read_shard(info.paths("val")[0]):
        image, caption = Image.fromarray(image_of(record, SIZE)), captions_of(record)[0]
        figures.append(
            f'<figure><img src="{data_address(image, "JPEG", quality=90)}" alt="">{html.escape(caption)}</figure>'
        )
        if len(figures) == SHOWN:
            break
    return f"<p>{text}</p>\n{''.join(figures)}"


def _training(run: Run) -> str:
    history, best = run.log(), run.best_epoch()
    minutes = sum(row.get("seconds", 0) for row in history) / 60
    text = f"<code>{run.variant_name}</code>, {counted(len(history), 'epoch')} in {minutes:.1f} minutes: "
    samples = sorted((run.folder / "samples").glob("epoch-*.png"))
    ends = dict.fromkeys([*samples[:1], *samples[-1:]])
    shown = "".join(_image(f"{run.folder.name}/samples/{path.name}", path.stem) for path in ends)
    said = html.escape(describe_epoch(best))
    return f"<p>{text}{said}. {SOFT}</p><p>The same captions after the first epoch and the last:</p>{shown}" + _image(
        f"{run.folder.name}/{CURVES}", "Loss by epoch"
    )


def _judged(run: Run, demo: pathlib.Path) -> str:
    place = _newest(run, "gallery", "judged.json", demo)
    table = read_json(demo / place, "run `make demo` again", JudgedConfig)["attributes"]
    rows = "".join(
        f"<tr><td>{name}<td>{table[name]['right']:.1%}<td>{table[name]['chance']:.1%}"
        f"<td>{table[name]['judge_on_drawn_scenes']:.1%}"
        for name in (*JUDGED, "all")
    )
    picture = _newest(run, "gallery", "gallery.png", demo)
    return (
        "<p>How often a judge sees what prompts asked for, of combinations that were never drawn for training:</p>"
        f"<table><tr><th>attribute<th>right<th>by chance<th>in drawn scenes{rows}</table>"
        + _image(picture, "A picture of each of the gallery's prompts")
    )


def _presets() -> str:
    return f"<p>Models that come along: {', '.join(preset_names())} (<code>cvae presets</code>).</p>"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m cvae.pasture.report", description=summary(__doc__))
    parser.add_argument("--demo", type=place_name, default="demo", help="the demo's folder (default: %(default)s)")
    print(f"What was done, with pictures: {write_report(pathlib.Path(parser.parse_args().demo))}")


if __name__ == "__main__":
    run_command(main)
