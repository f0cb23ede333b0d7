"""The tab "Photograph": one's own, cropped; other pictures of what it shows, or it changed by a prompt."""

from typing import Any

import numpy as np

from cvae.app.limits import (
    LARGEST_SEED,
    ONE_AT_A_TIME,
    as_file,
    checked_number,
    checked_prompt,
    drawing,
    opened_image,
    spoken,
    to_images,
)
from cvae.app.parts import gallery, seed_box, text_box, upload
from cvae.app.studio import Studio
from cvae.utils.arrays import to_uint8
from preprocess.utils.errors import UserError

COUNT = 4
# Of squares, and of how they are shown before anything is drawn, in pixels a side.
SMALLEST, SHOWN = 16, 400


def cropped(image: Any, size: float, across: float, down: float) -> Any:
    """A square of a `PIL.Image`: its side as a share of the shorter one, its place from 0 (left, top) to 1."""
    for value, least in ((size, 0.1), (across, 0), (down, 0)):
        if not isinstance(value, (int, float)) or not least <= value <= 1:
            raise UserError("The square's size is from 0.1 to 1, its place from 0 to 1.")
    side = round(min(image.size) * size)
    if side < SMALLEST:
        raise UserError(f"The square has {side} pixels a side; make it larger, at least {SMALLEST}.")
    left, top = round((image.width - side) * across), round((image.height - side) * down)
    return image.crop((left, top, left + side, top + side))


def add(studio: Studio) -> None:
    """Adds what the tab holds."""
    import gradio as gr

    names = studio.names_with("vary")
    first = studio.first_of(names)
    with gr.Row():
        with gr.Column(min_width=300):
            given = upload("A photograph", "photograph")
            preview = gr.Image(label="The square that counts", height=200, interactive=False, elem_id="square")
            with gr.Accordion("Crop", open=False):
                size = gr.Slider(0.1, 1, 1, step=0.05, label="Size of the square")
                across = gr.Slider(0, 1, 0.5, step=0.05, label="Left to right")
                down = gr.Slider(0, 1, 0.5, step=0.05, label="Top to bottom")
            towards = text_box("Change it towards", "towards", placeholder="in the snow")
            with gr.Row():
                change = gr.Button("Change it", variant="primary", elem_id="change")
                vary = gr.Button("Others like it", elem_id="vary")
            model = gr.Dropdown(names, value=first, label="Model")
            seed = seed_box()
        with gr.Column(min_width=300):
            shown = gallery("Pictures", "varied", 3)
            gr.Markdown(
                "The first is the square of your photograph, the second what the model's autoencoder keeps of it."
            )

    def draw(name: str, image: Any, text: str | None, own: Any) -> Any:
        own = checked_number(own, "seed", 0, LARGEST_SEED)
        run = studio.run(name)
        with as_file(image) as file:
            pictures = run.call("vary", file, towards=text, count=COUNT, seed=own).arrays[0]
        model = run.model()
        back = to_uint8(np.asarray(model.decode(np.asarray(model.encode(pictures[:1] / np.float32(255))[0]))))
        labels = [
            "yours",
            "kept of it",
            *(f"{text} {step}/{COUNT}" if text else f"like it {step}" for step in range(1, COUNT + 1)),
        ]
        return list(zip(to_images(np.concatenate([pictures[:1], back, pictures[1:]]) / 255), labels))

    @drawing
    def draw_variations(name: str, path: str, own: Any, *square: Any) -> Any:
        return draw(name, cropped(opened_image(path), *square), None, own)

    @drawing
    def draw_change(name: str, path: str, own: Any, text: str, *square: Any) -> Any:
        image = cropped(opened_image(path), *square)
        return draw(name, image, checked_prompt(text, "what it should become"), own)

    @spoken
    def show_square(path: str, *square: Any) -> Any:
        if not path:
            return None
        image = cropped(opened_image(path), *square)
        image.thumbnail((SHOWN, SHOWN))
        return image

    square = [size, across, down]
    vary.click(draw_variations, [model, given, seed, *square], shown, **ONE_AT_A_TIME)
    change.click(draw_change, [model, given, seed, towards, *square], shown, **ONE_AT_A_TIME)
    for part in (given.change, size.release, across.release, down.release):
        part(show_square, [given, *square], preview, show_progress="hidden")
