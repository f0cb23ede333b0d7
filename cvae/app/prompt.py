"""The tab "Prompt": a text, and pictures that appear while they are drawn."""

import random
import time
from collections.abc import Iterator
from typing import Any

from cvae.app.limits import (
    LARGEST_SEED,
    MOST_PICTURES,
    MOST_STEPS,
    ONE_AT_A_TIME,
    SESSION,
    as_file,
    checked_number,
    checked_prompt,
    drawing,
    to_images,
)
from cvae.app.parts import gallery, seed_box, text_box
from cvae.app.studio import Studio
from cvae.registry import resolve
from cvae.sampling.generate import draw_in_steps, draw_prompts
from preprocess.utils.errors import UserError

CHIPS = 6
# On a phone the pictures are far below the button. What the function gets is handed on.
LOOK = """(...given) => {
  if (innerWidth < 700) document.getElementById("pictures").scrollIntoView({behavior: "smooth"});
  return given;
}"""
# Of pictures whose model has no guidance or steps, the sliders stay where they are and count for nothing.
GUIDANCE, STEPS = 6.0, 8


def chips_of(studio: Studio, name: str) -> list[list[str]]:
    """Prompts that a model can draw, a row each."""
    return [[prompt] for prompt in resolve(studio.run(name).system.prompts)[:CHIPS]]


def has_guidance(run: Any) -> bool:
    """Whether a run's pictures can be drawn with more or less guidance, and in steps."""
    return run.system.has_option("generate", "guidance") and "guidance" not in run.variant.lacks


def guidance_and_steps(run: Any) -> tuple[float, int]:
    """What a run draws with where nothing else is asked for."""
    if not has_guidance(run):
        return GUIDANCE, STEPS
    options = run.open_drawer().options
    return options.guidance, options.steps


def labelled(pictures: Any, facts: dict[str, Any]) -> list[Any]:
    """Pictures as `PIL.Image`s, each with what it was drawn by, which a PNG keeps in its text fields."""
    images = to_images(pictures)
    for number, image in enumerate(images, 1):
        image.info = {name: str(value) for name, value in (facts | {"picture": number}).items()}
    return images


def add(studio: Studio) -> None:
    """Adds what the tab holds."""
    import gradio as gr

    names = studio.names_with("generate", prompts=True)
    first = studio.first_of(names)
    scale_of_first, steps_of_first = guidance_and_steps(studio.run(first))
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            prompt = text_box(
                "Prompt", "prompt", placeholder="White sheep on a mountain under blue sky", lines=2, max_lines=4,
                autofocus=True, info="about twenty words of it are read",
            )  # fmt: skip
            with gr.Row():
                draw = gr.Button("Draw", variant="primary", elem_id="draw")
                stop = gr.Button("Stop", elem_id="stop")
            chips = gr.Dataset(label="Try", components=[prompt], samples=chips_of(studio, first), elem_id="chips")
            model = gr.Dropdown(names, value=first, label="Model", elem_id="model")
            count = gr.Slider(1, MOST_PICTURES, 4, step=1, label="Pictures", elem_id="count")
            with gr.Accordion("How they are drawn", open=False):
                guidance = gr.Slider(
                    0, 20, scale_of_first, step=0.5, label="Guidance",
                    info="1 follows the prompt loosely; more follows it closely, and pictures differ less",
                )  # fmt: skip
                steps = gr.Slider(1, MOST_STEPS, steps_of_first, step=1, label="Steps", info="from noise to a picture")
                best_of = gr.Slider(
                    0, 16, 0, step=1, label="Best of",
                    info="draws so many, and keeps those that its encoder finds closest to the prompt; 0: keeps all",
                )  # fmt: skip
                with gr.Row():
                    seed = seed_box(elem_id="seed")
                    dice = gr.Button("Another seed", elem_id="dice")
        with gr.Column(scale=3, min_width=300):
            shown = gallery("Pictures", "pictures")
            told = gr.Textbox(show_label=False, interactive=False, lines=2, elem_id="told")
            more = gr.Button("More like the chosen one", elem_id="more")
    drawn, chosen = gr.State([], time_to_live=SESSION), gr.State(None, time_to_live=SESSION)

    @drawing
    def draw_all(name: str, text: str, number: Any, scale: Any, many: Any, best: Any, own: Any) -> Iterator[Any]:
        run, text = studio.run(name), checked_prompt(text)
        number = checked_number(number, "number of pictures", 1, MOST_PICTURES)
        own = checked_number(own, "seed", 0, LARGEST_SEED)
        best = checked_number(best, "number to keep the best of", 0, 16)
        options: dict[str, Any] = {}
        if has_guidance(run):
            options = {"guidance": scale, "steps": checked_number(many, "number of steps", 1, MOST_STEPS)}
            run.system.check_options("generate", options, run.variant_name)
        facts = {"prompt": text, "seed": own, "model": name, **options} | ({"best of": best} if best else {})
        begun = time.perf_counter()
        if best:
            if not run.system.has_option("generate", "best_of"):
                raise UserError(f"{name} cannot choose among its pictures; set best of to 0.")
            found = iter([draw_prompts(run, [text], number, own, best_of=max(best, number), **options)[0]])
        else:
            found = draw_in_steps(run, text, number, own, **options)
        for pictures in found:
            images = labelled(pictures, facts)
            # A picture that is shown large is one of those before.
            yield gr.update(value=images, selected_index=None), images, None, f"drawing: {text}"
        how = ", ".join(f"{what} {value}" for what, value in facts.items() if what != "prompt")
        seconds = time.perf_counter() - begun
        yield images, images, None, f"{text}\nDrawn with {how}, in {seconds:.1f} seconds."

    @drawing
    def draw_more(name: str, images: list[Any], which: int, own: Any) -> Any:
        if not images or which is None:
            raise UserError("Draw pictures first, and choose one of them: press on it.")
        run, number = studio.run(name), checked_number(which, "picture", 0, len(images) - 1)
        own = checked_number(own, "seed", 0, LARGEST_SEED)
        if not run.system.has("vary") or "vary" in run.variant.lacks:
            raise UserError(f"{name} draws from prompts alone; choose a flow, such as photographs-128.")
        with as_file(images[number]) as path:
            varied = run.call("vary", path, count=len(images), seed=own)
        facts = {"prompt": f"more like: {images[number].info['prompt']}", "seed": own, "model": name}
        found = labelled(varied.arrays[0][1:] / 255, facts)
        return (
            gr.update(value=found, selected_index=None),
            found,
            None,
            "Drawn from what the encoder sees in the chosen one.",
        )

    @drawing
    def choose_model(name: str) -> Any:
        run = studio.run(name)
        scale, many = guidance_and_steps(run)
        return (
            gr.Dataset(samples=chips_of(studio, name)),
            gr.Slider(value=scale, interactive=has_guidance(run)),
            gr.Slider(value=many, interactive=has_guidance(run)),
        )

    def choose_picture(event: gr.SelectData) -> Any:
        return event.index if isinstance(event.index, int) else 0

    outputs = [shown, drawn, chosen, told]
    inputs = [model, prompt, count, guidance, steps, best_of, seed]
    events = [
        # Pressed again while it draws, it draws once more; "always_last" would wait for what was stopped for ever.
        event(draw_all, inputs, outputs, trigger_mode="multiple", js=LOOK, **ONE_AT_A_TIME)
        for event in (draw.click, prompt.submit)
    ]
    events.append(more.click(draw_more, [model, drawn, chosen, seed], outputs, **ONE_AT_A_TIME))
    stop.click(lambda: "Stopped before it was done.", None, told, cancels=events, queue=False)
    chips.click(lambda row: row[0], chips, prompt, queue=False)
    dice.click(lambda: random.randrange(LARGEST_SEED), None, seed, queue=False)
    shown.select(choose_picture, None, chosen, queue=False)
    model.change(choose_model, model, [chips, guidance, steps], **ONE_AT_A_TIME)
