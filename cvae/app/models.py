"""The tab "Models": what there is to draw with, its figures and cards, samples by epoch, and two side by side."""

import html
import pathlib
import re
import tempfile
from typing import Any

from cvae.app.limits import (
    LARGEST_SEED,
    ONE_AT_A_TIME,
    checked_number,
    checked_prompt,
    drawing,
    spoken,
    to_images,
)
from cvae.app.parts import gallery, seed_box, text_box
from cvae.app.studio import Studio
from cvae.evaluation.study import make_study
from cvae.log import describe_epoch
from cvae.presets import ABOUT
from cvae.presets.table import read_about
from cvae.sampling.generate import draw_prompts
from cvae.sampling.prompts import PROMPTS
from preprocess.shards.images import read_image
from preprocess.utils.errors import UserError
from preprocess.utils.load import read_text

COUNT, PAIRS = 4, 1
# Of the study, which draws nine pictures of each by either model.
ASKED = PROMPTS[1:4]
# Of its frame: what it may do, and how it looks.
FRAME = 'sandbox="allow-scripts allow-downloads" style="width: 100%; height: 42rem"'


def figures_of(run: Any) -> str:
    """What a run's figures are, a clause."""
    if (run.folder / ABOUT).is_file():
        return "; ".join(f"{what}: {figure}" for what, figure in read_about(run.folder).figures.items())
    return describe_epoch(run.best_epoch()) if run.log() else "none are kept"


def table_of(studio: Studio) -> str:
    """A table in Markdown of all models."""
    rows = ["| model | variant | pixels | figures |", "|---|---|---|---|"]
    for name in studio.names():
        try:
            run = studio.run(name)
            cells = [name, run.variant_name, run.variant.image_size, figures_of(run)]
        except UserError as error:  # a run of another version, or damaged
            cells = [name, "", "", str(error)]
        rows.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
    return "\n".join(rows)


def card_of(run: Any) -> str:
    """A model's card in Markdown, without links to files that the page does not show."""
    path = run.folder / "card.md"
    if not path.is_file():
        path = run.folder / "README.md"
    if not path.is_file():
        return "It has no card."
    text = re.sub(r"\A---\n.*?\n---\n", "", read_text(path, "put it back"), flags=re.DOTALL)
    return re.sub(r"!?\[([^]]*)\]\((?!http)[^)]+\)", r"\1", text)


def samples_of(run: Any) -> list[pathlib.Path]:
    """The grids that were drawn while it was trained, in the order of epochs."""
    return sorted((run.folder / "samples").glob("epoch-*.png"))


def add(studio: Studio) -> None:
    """Adds what the tab holds."""
    import gradio as gr

    everything = studio.names_with()
    able = studio.names_with("generate", prompts=True)
    gr.Markdown(table_of(studio), elem_id="models")
    name = gr.Dropdown(everything, value=studio.first, label="A model", elem_id="which")
    with gr.Accordion("Its card", open=False):
        card = gr.Markdown(card_of(studio.run(studio.first)), elem_id="card")
    steps = len(samples_of(studio.run(studio.first)))
    epoch = gr.Slider(1, max(2, steps), max(1, steps), step=1, label="Samples after each epoch", visible=steps > 0)
    grid = gr.Image(label="What it drew then", visible=steps > 0, interactive=False)
    gr.Markdown("### Two side by side")
    with gr.Row():
        one = gr.Dropdown(able, value=able[0], label="One", min_width=140)
        other = gr.Dropdown(able, value=able[-1], label="The other", min_width=140)
        prompt = text_box("Prompt", "compared", "White sheep on a mountain under blue sky", min_width=260)
        seed = seed_box(min_width=100)
    with gr.Row():
        compare = gr.Button("Draw both", variant="primary", elem_id="compare")
        play = gr.Button("Judge them blind", elem_id="play")
    with gr.Row():
        left = gallery("One", "one")
        right = gallery("The other", "other")
    study = gr.HTML(elem_id="study")

    @spoken
    def show_model(which: str) -> Any:
        found, last = samples_of(run := studio.run(which)), 1
        if found:
            last = len(found)
        shown = read_image(found[-1]) if found else None
        return (
            card_of(run),
            gr.Slider(maximum=max(2, last), value=last, visible=bool(found)),
            gr.Image(value=shown, visible=bool(found)),
        )

    @spoken
    def show_epoch(which: str, number: Any) -> Any:
        found = samples_of(studio.run(which))
        return read_image(found[checked_number(number, "epoch", 1, max(1, len(found))) - 1]) if found else None

    @drawing
    def draw_both(first: str, second: str, text: str, own: Any) -> Any:
        text, own = checked_prompt(text), checked_number(own, "seed", 0, LARGEST_SEED)
        if first == second:
            raise UserError("Choose two different models.")
        for which in (first, second):
            shown = to_images(draw_prompts(studio.run(which), [text], COUNT, own)[0])
            yield (shown, gr.skip()) if which == first else (gr.skip(), shown)

    @drawing
    def make_page(first: str, second: str) -> str:
        if first == second:
            raise UserError("Choose two different models.")
        with tempfile.TemporaryDirectory() as folder:
            runs = studio.run(first), studio.run(second)
            _, page = make_study(*runs, pathlib.Path(folder) / "study.html", PAIRS, 0, ASKED)
            text = page.read_text(encoding="utf-8")
        return f'<iframe title="A blind study" {FRAME} srcdoc="{html.escape(text)}"></iframe>'

    name.change(show_model, name, [card, epoch, grid])
    epoch.release(show_epoch, [name, epoch], grid, show_progress="hidden")
    compare.click(draw_both, [one, other, prompt, seed], [left, right], **ONE_AT_A_TIME)
    play.click(make_page, [one, other], study, **ONE_AT_A_TIME)
