"""The tab "Faces": a face from switches and sliders, and a portrait of one's own with others."""

from typing import Any

import numpy as np

from cvae.app.limits import (
    LARGEST_SEED,
    MOST_PICTURES,
    ONE_AT_A_TIME,
    as_file,
    checked_number,
    checked_prompt,
    drawing,
    opened_image,
    to_images,
)
from cvae.app.parts import gallery, seed_box, text_box, upload
from cvae.app.studio import Studio
from cvae.sampling.draw import draw
from cvae.systems.faces.conditions import condition_attributes
from preprocess.celeba.attributes import ATTRIBUTES, HAIR_COLOURS
from preprocess.utils.errors import UserError

# What has sliders and choices of its own, and what says nothing about a face.
SLIDERS = {"Male": "A woman (0) or a man (1)", "Young": "Old (0) or young (1)", "Smiling": "Smiling"}
APART = (*SLIDERS, *HAIR_COLOURS, "Attractive", "Blurry")
SWITCHES = {name.replace("_", " "): name for name in ATTRIBUTES if name not in APART}
FIRST = "drawn-faces-64"


def attributes_from(sliders: list[float], hair: str, switched: list[str]) -> np.ndarray:
    """What the tab's switches say, float32 (40,) from 0 to 1.

    Raises:
        UserError: they say what there is not.
    """
    found = np.zeros(len(ATTRIBUTES), np.float32)
    for name, value in zip(SLIDERS, sliders):
        if not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise UserError("A slider is from 0 to 1.")
        found[ATTRIBUTES.index(name)] = value
    for label in switched or ():
        if label not in SWITCHES:
            raise UserError(f"There is no switch {str(label)[:40]}.")
        found[ATTRIBUTES.index(SWITCHES[label])] = 1
    colours = {colour: name for name, colour in HAIR_COLOURS.items()}
    if hair in colours:
        found[ATTRIBUTES.index(colours[hair])] = 1
    return found


def add(studio: Studio) -> None:
    """Adds what the tab holds."""
    import gradio as gr

    names = studio.names_with("edit")
    model = gr.Dropdown(names, value=FIRST if FIRST in names else names[0], label="Model")
    with gr.Row():
        with gr.Column(min_width=300):
            sliders = [gr.Slider(0, 1, 1, step=0.25, label=label) for label in SLIDERS.values()]
            hair = gr.Radio(["any", *HAIR_COLOURS.values()], value="brown", label="Hair")
            switches = gr.CheckboxGroup([*SWITCHES], value=["Eyeglasses", "No Beard"], label="And", elem_id="switches")
            count = gr.Slider(1, MOST_PICTURES, 4, step=1, label="Pictures")
            seed = seed_box()
            button = gr.Button("Draw faces", variant="primary", elem_id="draw-faces")
        with gr.Column(min_width=300):
            faces = gallery("Faces", "faces")
    with gr.Row():
        with gr.Column(min_width=300):
            portrait = upload("A portrait to edit", "portrait")
            described = text_box("It shows", "described", placeholder="a young woman with brown hair")
            added = gr.Dropdown([*SWITCHES, "Smiling", *_colours()], multiselect=True, label="Add", elem_id="add")
            removed = gr.Dropdown([*SWITCHES, "Smiling", "Young"], multiselect=True, label="Take away")
            edit = gr.Button("Edit it", elem_id="edit")
        with gr.Column(min_width=300):
            edited = gallery("Edited", "edited", 3)

    @drawing
    def draw_faces(name: str, number: Any, own: Any, hue: str, switched: list[str], *values: float) -> Any:
        run = studio.run(name)
        number = checked_number(number, "number of pictures", 1, MOST_PICTURES)
        own = checked_number(own, "seed", 0, LARGEST_SEED)
        conditions = condition_attributes(run, attributes_from(list(values), hue, switched)[None])
        return to_images(draw(run.open_drawer(), conditions, number, own)[0])

    @drawing
    def edit_portrait(name: str, path: str, text: str, more: list[str], less: list[str]) -> Any:
        image = opened_image(path)
        text = checked_prompt(text, "what the portrait shows", "a young woman with brown hair")
        with as_file(image) as file:
            pictures = studio.run(name).call(
                "edit",
                file,
                add=list(dict.fromkeys(more or ())),
                remove=list(dict.fromkeys(less or ())),
                described=text,
            )
        # Of its two rows the portrait's own, with what changed.
        return list(zip(to_images(pictures.arrays[1] / 255), pictures.headings))

    button.click(draw_faces, [model, count, seed, hair, switches, *sliders], faces, **ONE_AT_A_TIME)
    edit.click(edit_portrait, [model, portrait, described, added, removed], edited, **ONE_AT_A_TIME)


def _colours():
    return [name.replace("_", " ") for name in HAIR_COLOURS]
