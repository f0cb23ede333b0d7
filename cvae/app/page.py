"""The page: its tabs, its queue, and how it is opened."""

import inspect
import os
import tempfile
from typing import Any

from cvae.app import between, digits, faces, models, photograph, prompt
from cvae.app.limits import LARGEST_FILE, MOST_WAITING
from cvae.app.studio import Studio
from preprocess.utils.errors import UserError, check_whole
from preprocess.utils.progress import progress_bar

TABS = {
    "Prompt": prompt,
    "Between": between,
    "Photograph": photograph,
    "Faces": faces,
    "Digits": digits,
    "Models": models,
}
# Galleries show all of their pictures, where Gradio's scroll within half of the window.
HEAD = """
<style>.grid-wrap.fixed-height { max-height: none !important; }</style>
<h1 style="font-size: 1.5rem; font-weight: bold">clip-cvae</h1>
<p>Type what a picture should show. The models that come along know cows, sheep, horses, goats and landscapes.
Nothing that you type or upload is kept.</p>
"""
# Seconds after which pictures that were shown are forgotten, looked after so often.
KEPT = (300, 1800)


def build_page(studio: Studio) -> Any:
    """The page, a `gradio.Blocks`."""
    import gradio as gr

    with gr.Blocks(title="clip-cvae", analytics_enabled=False, delete_cache=KEPT) as page:
        gr.HTML(HEAD)
        for name, tab in TABS.items():
            with gr.Tab(name):
                tab.add(studio)
    # One drawing at a time, since each takes all cores; the others see their place.
    page.queue(max_size=MOST_WAITING)
    return page


def open_page(
    first: str | None = None, port: int | None = None, share: bool = False, browser: bool = True, wait: bool = True
) -> Any:
    """Opens the page, and serves it until it is interrupted.

    Args:
        first: the run or preset to begin with; None for `cvae.app.studio.FIRST`.
        port: of this machine, None for the first free one from 7860 on.
        share: whether others can reach it, by an address of Gradio's.
        browser: whether to open a browser. wait: whether to serve until interrupted; else it returns.

    Returns:
        The `gradio.Blocks`, which `close()` ends, unless it waited.

    Raises:
        UserError: no such run, Gradio is not installed, or the port is taken.
    """
    if port is not None:
        check_whole("port", port, 1, 65535)
    _import_gradio()
    with progress_bar(total=2, desc="loading", unit="step") as bar:
        studio = Studio(first)
        bar.update(1)
        _warm_up(studio)
        bar.update(1)
    # What is uploaded and shown, until the page closes.
    scratch = tempfile.TemporaryDirectory(prefix="clip-cvae-")
    os.environ["GRADIO_TEMP_DIR"] = scratch.name
    page = build_page(studio)
    # As long as it is there.
    page.scratch = scratch
    _launch(page, port, share, browser)
    if wait:
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)
            studio.encoders.close()
            scratch.cleanup()
    return page


def _import_gradio() -> None:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise UserError('the page wants Gradio; run `pip install ".[app]"`.') from None


def _warm_up(studio: Studio) -> None:
    """Loads the first model and its encoder, so that the first picture takes no longer than the next."""
    run = studio.run(studio.first)
    if run.variant.condition_prompts is not None:
        run.condition(["a sheep"])
        run.open_drawer()


def _later(page: Any) -> dict[str, Any]:
    """What Gradio takes from version 6 on: to keep no history of what was drawn, and which links to show."""
    given = {"run_history": False, "footer_links": ["gradio", "settings"]}
    known = inspect.signature(page.launch).parameters
    return {name: value for name, value in given.items() if name in known}


def _launch(page: Any, port: int | None, share: bool, browser: bool) -> None:
    try:
        page.launch(
            # None leaves it to Gradio, which in Colab has no other way.
            server_port=port, share=share or None, inbrowser=browser, prevent_thread_lock=True, quiet=True,
            max_file_size=LARGEST_FILE, **_later(page),
        )  # fmt: skip
    except OSError as error:
        raise UserError(f"port {port} cannot be used ({error}); give another --port.") from None
    shared = f", for others at {page.share_url}" if share and page.share_url else ""
    print(f"The page is at {page.local_url}{shared}; Ctrl-C ends it.", flush=True)
