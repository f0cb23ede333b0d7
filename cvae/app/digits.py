"""The tab "Digits": a canvas to draw one on, where it lies among digits, and what a latent decodes to."""

from typing import Any

import numpy as np

from cvae.app.limits import LARGEST_SEED, MOST_PICTURES, ONE_AT_A_TIME, checked_number, drawing, to_images
from cvae.app.parts import gallery, seed_box
from cvae.app.studio import Studio
from cvae.systems.digits import SYSTEM
from cvae.systems.digits.generate import draw_labels, draw_strokes, nearest_labels
from preprocess.mnist import LABELS
from preprocess.utils.errors import UserError
from preprocess.utils.load import parse_json

# Pictures of each label whose latents make the map, and the reach of a slider: a latent number has a deviation of 1.
MAPPED, REACH = 40, 3.0
# Of pictures of 28 px as they are shown.
SHOWN = 168
# Points of strokes that are read, and letters that hold them.
MOST_POINTS, MOST_LETTERS = 20_000, 1_000_000
# Pixels from the canvas' corner, beyond which a pointer that is held down may well go.
FARTHEST = 10_000
# A canvas that keeps its strokes, lists of [x, y]. Gradio's own begins with a choice of tools.
CANVAS = """
<canvas id="digit-canvas" width="280" height="280" aria-label="Draw a digit here, with the mouse or a finger"
  style="border: 1px solid; background: white; touch-action: none; cursor: crosshair; max-width: 100%"
  onpointerdown="
    this.strokes = this.strokes || []; this.strokes.push([]); this.setPointerCapture(event.pointerId);
    const pen = this.getContext('2d'); pen.lineWidth = 18; pen.lineCap = pen.lineJoin = 'round'; pen.beginPath();
    this.onpointermove(event); this.onpointermove(event)"
  onpointermove="
    if (!event.buttons || !this.strokes) return;
    const scale = 280 / this.clientWidth, pen = this.getContext('2d'), stroke = this.strokes.at(-1);
    stroke.push([event.offsetX * scale, event.offsetY * scale + 0.1 * (stroke.length == 1)]);
    pen.lineTo(...stroke.at(-1)); pen.stroke()"></canvas>
"""
# What the buttons do in the browser: hand on the strokes, and wipe the canvas.
READ = "(model, strokes) => [model, JSON.stringify(document.getElementById('digit-canvas').strokes || [])]"
WIPE = """() => {
  const canvas = document.getElementById('digit-canvas');
  canvas.strokes = [];
  canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
}"""


def strokes_in(text: str | None) -> list[list[list[float]]]:
    """The strokes that the canvas tells of.

    Raises:
        UserError: there are none, or something else.
    """
    remedy = "draw a digit on the canvas"
    if not text or len(text) > MOST_LETTERS:
        raise UserError("Draw a digit first, with the mouse or a finger.")
    strokes = parse_json(text.encode(), "what was drawn", remedy, list[list[list[float]]])
    if sum(map(len, strokes)) > MOST_POINTS:
        raise UserError("That are more strokes than a digit has; wipe the canvas and draw one.")
    if not any(strokes):
        raise UserError("Draw a digit first, with the mouse or a finger.")
    points = [point for stroke in strokes for point in stroke]
    if {*map(len, points)} != {2} or not all(abs(place) <= FARTHEST for point in points for place in point):
        raise UserError(f"What was drawn lies nowhere; {remedy}.")
    return [stroke for stroke in strokes if stroke]


def plane_of(model: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A plane through the latents of labels: (a point on it (d,), its axes (d, 2), latents (LABELS, MAPPED, d))."""
    mean, log_var = (np.asarray(part) for part in model.encode_label(np.arange(LABELS, dtype=np.int32)))
    noise = np.random.default_rng(0).standard_normal((LABELS, MAPPED, mean.shape[1]))
    latents = mean[:, None] + np.exp(0.5 * log_var)[:, None] * noise
    middle = mean.mean(0)
    # The two directions in which labels differ most.
    axes = np.linalg.svd(mean - middle, full_matrices=False)[2][:2].T
    return middle, axes, latents


def draw_map(model: Any, latent: np.ndarray | None) -> Any:
    """A figure of where labels lie, and a latent (d,) among them."""
    from matplotlib.figure import Figure

    middle, axes, latents = plane_of(model)
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    plot = figure.add_subplot(xticks=[], yticks=[])
    for label, own in enumerate(latents):
        places = (own - middle) @ axes
        plot.scatter(*places.T, s=8, color=f"C{label}")
        plot.annotate(str(label), places.mean(0), fontsize=14, weight="bold", ha="center", va="center")
    if latent is not None:
        plot.scatter(*((latent - middle) @ axes), s=220, marker="*", color="black", label="yours")
        plot.legend()
    return figure


def _large(image):
    return image.resize((SHOWN, SHOWN), resample=0)


def add(studio: Studio) -> None:
    """Adds what the tab holds."""
    import gradio as gr

    names = [name for name in studio.names_with("generate") if studio.run(name).system is SYSTEM]
    if not names:
        gr.Markdown("There is no model of digits; train one with `cvae train --variant mnist-clip-vae`.")
        return
    size = studio.run(names[0]).variant.model["latent_dim"]
    model = gr.Dropdown(names, value=names[0], label="Model")
    with gr.Row():
        with gr.Column(min_width=300):
            gr.Markdown("Draw a digit with the mouse or a finger:")
            gr.HTML(CANVAS)
            strokes = gr.Textbox(visible=False)
            with gr.Row():
                read = gr.Button("Read it", variant="primary", elem_id="read")
                wipe = gr.Button("Wipe it", elem_id="wipe")
            said = gr.Markdown(elem_id="read-as")
        with gr.Column(min_width=300), gr.Row():
            seen = gr.Image(label="As the model sees it", height=220, interactive=False)
            decoded = gr.Image(label="What its latent decodes to", height=220, interactive=False, elem_id="decoded")
        place = gr.Plot(label="Where it lies among the labels", elem_id="map")
    with gr.Row():
        with gr.Column(min_width=300):
            label = gr.Slider(0, LABELS - 1, 3, step=1, label="A digit", elem_id="label")
            count = gr.Slider(1, MOST_PICTURES, 6, step=1, label="Pictures")
            seed = seed_box()
            button = gr.Button("Draw it", elem_id="draw-digit")
        with gr.Column(min_width=300):
            drawn = gallery("Drawn", "digits", 3)
    with gr.Accordion("The latent itself", open=False):
        start = gr.Button("Begin with that digit's")
        with gr.Row():
            sliders = [gr.Slider(-REACH, REACH, 0, step=0.1, label=f"z{place}", min_width=130) for place in range(size)]
        picture = gr.Image(label="What it decodes to", height=220, interactive=False)

    def decode(opened: Any, latent: Any) -> Any:
        return _large(to_images(np.asarray(opened.decode_image(np.asarray(latent, np.float32)[None])))[0])

    @drawing
    def read_digit(name: str, drawn: str) -> Any:
        image, opened = draw_strokes(strokes_in(drawn)), studio.run(name).model()
        latent = np.asarray(opened.encode_image(image[None])[0])
        labels = np.asarray(opened.encode_label(np.arange(LABELS, dtype=np.int32))[0])
        nearest = int(nearest_labels(latent, labels)[0])
        shown = _large(to_images(image[None])[0])
        return f"## Read as {nearest}", shown, decode(opened, latent[0]), draw_map(opened, latent[0])

    @drawing
    def draw_digit(name: str, which: Any, number: Any, own: Any) -> Any:
        which = checked_number(which, "digit", 0, LABELS - 1)
        number = checked_number(number, "number of pictures", 1, MOST_PICTURES)
        own = checked_number(own, "seed", 0, LARGEST_SEED)
        return list(map(_large, to_images(draw_labels(studio.run(name).model(), [which], number, own)[0])))

    @drawing
    def begin(name: str, which: Any) -> Any:
        opened = studio.run(name).model()
        mean = np.asarray(opened.encode_label(np.array([checked_number(which, "digit", 0, LABELS - 1)], np.int32))[0])[
            0
        ]
        shown = np.clip(mean, -REACH, REACH).round(1).tolist()
        return [*shown, decode(opened, shown)]

    @drawing
    def decode_latent(name: str, *values: float) -> Any:
        if not all(isinstance(value, (int, float)) and abs(value) <= REACH for value in values):
            raise UserError(f"A number of the latent is from {-REACH:g} to {REACH:g}.")
        return decode(studio.run(name).model(), values)

    read.click(read_digit, [model, strokes], [said, seen, decoded, place], js=READ, **ONE_AT_A_TIME)
    wipe.click(None, js=WIPE)
    button.click(draw_digit, [model, label, count, seed], drawn, **ONE_AT_A_TIME)
    start.click(begin, [model, label], [*sliders, picture], **ONE_AT_A_TIME)
    for slider in sliders:
        slider.release(decode_latent, [model, *sliders], picture, show_progress="hidden", **ONE_AT_A_TIME)
