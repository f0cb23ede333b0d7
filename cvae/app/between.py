"""The tab "Between": from one prompt to another, frames drawn ahead, which a slider moves through."""

import html
from typing import Any

import numpy as np

from cvae.app.limits import (
    LARGEST_SEED,
    ONE_AT_A_TIME,
    checked_number,
    checked_prompt,
    drawing,
    to_images,
)
from cvae.app.parts import seed_box, text_box
from cvae.app.studio import Studio
from cvae.sampling.draw import noise_of
from cvae.utils.arrays import in_batches, slerp
from cvae.utils.plots import data_address

FRAMES = 16
# Of the sheet's JPEG, and milliseconds a frame of the animation, which goes there and back.
QUALITY, FRAME_TIME = 92, 90


def draw_between(run: Any, prompts: list[str], seed: int, frames: int = FRAMES) -> np.ndarray:
    """Pictures float32 (frames, size, size, 3) from one prompt to another, all of the same noise."""
    start, end = run.condition(prompts)
    path = slerp(start, end, frames)
    drawer = run.open_drawer()
    return in_batches(drawer.draw, np.repeat(noise_of(drawer, 1, seed), frames, axis=0), path)


def viewer(images: list[Any], prompts: list[str]) -> str:
    """HTML with a slider that moves through frames, all of them there, and a link that saves them as an animation."""
    width, height = images[0].size
    from PIL import Image

    sheet = Image.new("RGB", (width * len(images), height))
    for place, image in enumerate(images):
        sheet.paste(image.convert("RGB"), (place * width, 0))
    last = len(images) - 1
    one, other = map(html.escape, prompts)
    # A background of all frames, of which the slider says which one is to be seen: nothing is asked of the server.
    move = (
        f"this.closest('.between').querySelector('.frame').style.backgroundPositionX = this.value / {last} * 100 + '%'"
    )
    look = (
        f"background: url({data_address(sheet, 'JPEG', quality=QUALITY)}) 0 0 / {len(images) * 100}% 100%;"
        "width: min(100%, 24rem); aspect-ratio: 1;"
    )
    return (
        f'<div class="between"><div class="frame" role="img" aria-label="{one}, turning into {other}" style="{look}">'
        f'</div><label style="display: block; margin: .5rem 0">{one} &rarr; {other}'
        f'<input type="range" min="0" max="{last}" step="1" value="0" oninput="{move}" '
        'style="display: block; width: min(100%, 24rem)"></label>'
        f'<a download="between.gif" href="{_animation(images)}">Save it as an animation</a></div>'
    )


def _animation(images):
    frames = [image.convert("RGB").quantize() for image in [*images, *images[-2:0:-1]]]
    return data_address(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=FRAME_TIME, loop=0)


def add(studio: Studio) -> None:
    """Adds what the tab holds."""
    import gradio as gr

    names = studio.names_with("generate", prompts=True)
    first = studio.first_of(names)
    with gr.Row():
        with gr.Column(min_width=300):
            one = text_box("From", "from", "a brown cow in a green meadow")
            other = text_box("To", "to", "a horse in the snow")
            draw = gr.Button("Draw what lies between", variant="primary", elem_id="draw-between")
            model = gr.Dropdown(names, value=first, label="Model")
            seed = seed_box()
        with gr.Column(min_width=300):
            shown = gr.HTML(elem_id="between")

    @drawing
    def draw_all(name: str, start: str, end: str, own: Any) -> str:
        prompts = [checked_prompt(start, "where to begin"), checked_prompt(end, "where to end")]
        own = checked_number(own, "seed", 0, LARGEST_SEED)
        return viewer(to_images(draw_between(studio.run(name), prompts, own)), prompts)

    draw.click(draw_all, [model, one, other, seed], shown, **ONE_AT_A_TIME)
