"""The page: its tabs, its queue, and how it is opened."""

import inspect
import os
import socket
import tempfile
from typing import Any

from cvae.app import between, digits, faces, models, photograph, prompt
from cvae.app.limits import LARGEST_FILE, MOST_WAITING, SESSION
from cvae.app.studio import Studio
from cvae.runs import Run
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
# Galleries show all of their pictures, where Gradio's scroll within half of the window. What an error says stands in a
# corner of the page: Gradio's own mark of it would lie on the pictures, so that none could be chosen.
HEAD = """
<style>
.grid-wrap.fixed-height { max-height: none !important; }
[data-testid="status-tracker"]:has(.error) { display: none !important; }
#models { overflow-x: auto; }
#models td, #models th { word-break: normal; overflow-wrap: normal; }
</style>
<h1 style="font-size: 1.5rem; font-weight: bold">clip-cvae</h1>
<p>Pictures from words, drawn on this machine. The models of photographs know cows, sheep, horses, goats and landscapes.
What you type and upload is kept for half an hour at most, and nowhere but here.</p>
"""
# Seconds after which files of pictures are removed, looked after so often.
KEPT = (300, SESSION)
# People whose pictures are in memory, at most.
SESSIONS = 200


def build_page(studio: Studio) -> Any:
    """The page, a `gradio.Blocks`."""
    import gradio as gr

    with gr.Blocks(title="clip-cvae", analytics_enabled=False, delete_cache=KEPT) as page:
        gr.HTML(HEAD)
        for name, tab in TABS.items():
            with gr.Tab(name):
                tab.add(studio)
    # One drawing at a time, since each takes all cores; the others see their place.
    page.queue(max_size=MOST_WAITING, api_open=False)
    return page


class OpenPage:
    """A page that is served.

    Args: see `open_page`.
    """

    def __init__(self, first: Run | None, port: int | None, share: bool, browser: bool) -> None:
        with progress_bar(total=2, desc="loading", unit="step") as bar:
            self.studio = Studio(first)
            bar.update(1)
            _warm_up(self.studio)
            bar.update(1)
        # What is uploaded and shown, until the page closes.
        self._scratch = tempfile.TemporaryDirectory(prefix="clip-cvae-")
        os.environ["GRADIO_TEMP_DIR"] = self._scratch.name
        try:
            self.blocks = build_page(self.studio)
            _launch(self.blocks, port, share, browser)
        except BaseException:
            self._leave()
            raise

    def wait(self) -> None:
        """Serves until it is interrupted, and closes."""
        try:
            self.blocks.block_thread()
        finally:
            self.close()

    def close(self) -> None:
        """Ends it, and what it started and kept."""
        self.blocks.close(verbose=False)
        self._leave()

    def _leave(self) -> None:
        os.environ.pop("GRADIO_TEMP_DIR", None)
        self.studio.encoders.close()
        self._scratch.cleanup()


def open_page(first: Run | None = None, port: int | None = None, share: bool = False, browser: bool = True) -> OpenPage:
    """Opens the page.

    Args:
        first: the run to begin with; None for `cvae.app.studio.FIRST`.
        port: of this machine, None for the first free one from 7860 on.
        share: whether others can reach it, by an address of Gradio's.
        browser: whether to open a browser.

    Returns:
        The page, which has `wait` and `close`.

    Raises:
        UserError: Gradio is not installed, or the port is taken.
    """
    if port is not None:
        check_whole("port", port, 1, 65535)
        _check_free(port)
    _import_gradio()
    return OpenPage(first, port, share, browser)


def _check_free(port: int) -> None:
    """Raises a UserError for a port that cannot be had, before anything is loaded."""
    with socket.socket() as place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(f"port {port} cannot be used ({error.strerror}); give another --port.") from None


def _import_gradio() -> None:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise UserError('the page wants Gradio; run `make app`, or without make `pip install ".[app]"`.') from None


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
            max_file_size=LARGEST_FILE, state_session_capacity=SESSIONS, **_later(page),
        )  # fmt: skip
    except OSError:
        raise UserError("no port from 7860 on is free; give another --port.") from None
    shared = f", for others at {page.share_url}" if share and page.share_url else ""
    print(f"The page is at {page.local_url}{shared}; Ctrl-C ends it.", flush=True)
