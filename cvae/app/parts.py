"""Parts that several tabs have."""

from typing import Any

from cvae.app.limits import LARGEST_SEED, LONGEST_PROMPT


def gallery(label: str, name: str, columns: int = 2) -> Any:
    """Pictures side by side, whole, each to be saved as a PNG."""
    import gradio as gr

    return gr.Gallery(label=label, columns=columns, object_fit="contain", height="auto", format="png", elem_id=name)


def seed_box(**options: Any) -> Any:
    """A number that noise is drawn by."""
    import gradio as gr

    return gr.Number(0, label="Seed", precision=0, minimum=0, maximum=LARGEST_SEED, **options)


def text_box(label: str, name: str, value: str = "", **options: Any) -> Any:
    """A text as long as a prompt may be."""
    import gradio as gr

    return gr.Textbox(value, label=label, max_length=LONGEST_PROMPT, elem_id=name, **options)


def upload(label: str, name: str) -> Any:
    """A place for a picture of one's own. Gradio's for images would decode it, and say no sentence where it cannot."""
    import gradio as gr

    return gr.File(type="filepath", label=label, height=140, elem_id=name)
