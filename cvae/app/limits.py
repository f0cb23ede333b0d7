"""What a person may ask of the page, and what it answers to what it cannot do: sentences."""

import contextlib
import functools
import inspect
import io
import pathlib
import re
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cvae.utils.arrays import to_uint8
from preprocess.shards.decode import BadImage, decode
from preprocess.utils.command import sentence_of
from preprocess.utils.errors import UserError, without_controls

# Letters of a prompt: encoders read 20 to 77 tokens of it. Bytes of a picture.
LONGEST_PROMPT, LARGEST_FILE = 500, 20 * 2**20
# Pictures at once, steps, and people in the queue, who would wait for minutes.
MOST_PICTURES, MOST_STEPS, MOST_WAITING = 12, 50, 40
LARGEST_SEED = 2**31 - 1
# Seconds for which pictures and uploads are kept.
SESSION = 1800
# Of what draws, in any tab, for Gradio's queue, and for what it lets through: all cores are taken by one drawing.
ONE_AT_A_TIME_HERE = threading.RLock()
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "draw", "concurrency_limit": 1}


def checked_prompt(prompt: str | None, what: str = "a prompt", example: str = "white sheep in the snow") -> str:
    """A prompt without what surrounds it.

    Raises:
        UserError: there is none, or it is too long.
    """
    prompt = " ".join((prompt or "").split())
    if not prompt:
        raise UserError(f'Write {what}, such as "{example}".')
    if len(prompt) > LONGEST_PROMPT:
        raise UserError(f"That is {len(prompt):,} letters long; shorten it to {LONGEST_PROMPT}.")
    return prompt


def checked_number(value: Any, what: str, least: int, most: int) -> int:
    """A whole number in a range.

    Raises:
        UserError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or not least <= value <= most:
        raise UserError(f"The {what} is a whole number from {least:,} to {most:,}.")
    return int(value)


def opened_image(path: str | None) -> Any:
    """What a person uploaded, an upright RGB `PIL.Image`.

    Raises:
        UserError: nothing was, or it is no picture.
    """
    if not path:
        raise UserError("Choose a picture first: a photograph of yours, as JPEG or PNG.")
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError:
        raise UserError("The picture is not here any more, as after half an hour; choose it again.") from None
    if len(data) > LARGEST_FILE:
        raise UserError(f"The picture has more than {LARGEST_FILE >> 20} MB; choose a smaller one.")
    try:
        return decode(data)
    except BadImage as error:
        raise UserError(f"That cannot be used as a picture ({error}); choose a JPEG or PNG.") from None


@contextlib.contextmanager
def as_file(image: Any) -> Iterator[pathlib.Path]:
    """Gives a `PIL.Image` as a PNG for as long as it is needed, for commands that take a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "image.png"
        image.save(path)
        yield path


def to_images(pictures: np.ndarray) -> list[Any]:
    """Pictures float (n, height, width, 1 or 3) in [0, 1] as a list of `PIL.Image`."""
    from PIL import Image

    return [Image.fromarray(one[..., 0] if one.shape[-1] == 1 else one) for one in to_uint8(pictures)]


def spoken(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has what a page calls answer with a sentence in place of a traceback."""

    @functools.wraps(function)
    def returns(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            raise as_answer(error) from None

    return returns


def drawing(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `spoken`, for what draws, or yields what it draws: one at a time, and its notes are shown on the page.

    Gradio's queue alone is not enough: what was stopped goes on to the end of its step beside the next.
    """
    if not inspect.isgeneratorfunction(function):
        return spoken(functools.wraps(function)(lambda *arguments: _alone(lambda: function(*arguments))))

    @functools.wraps(function)
    def yields(*arguments: Any) -> Any:
        steps, done = function(*arguments), object()
        while (found := spoken(_alone)(lambda: next(steps, done))) is not done:
            yield found

    return yields


def _alone(step: Callable[[], Any]) -> Any:
    notes = io.StringIO()
    with ONE_AT_A_TIME_HERE, contextlib.redirect_stdout(notes):
        found = step()
    if text := notes.getvalue().strip():
        import gradio

        gradio.Info(without_controls(text.removeprefix("note: ")))
    return found


def as_answer(error: Exception) -> Exception:
    """What the page shows of an error: Gradio's."""
    import gradio

    sentence = sentence_of(error, "try again")
    if sentence is None:
        # Without its message, which may hold what somebody typed.
        place = "".join(traceback.format_tb(error.__traceback__))
        print(f"{place}{type(error).__name__} on the page", file=sys.stderr)
        sentence = "Something went wrong here, which is not your fault; try something else."
    if isinstance(error, OSError):
        sentence = "This machine cannot write or read something now; try again later."
    # As the page has them, in place of a command line's options; and no names of this machine's folders.
    sentence = re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda found: found[1].replace("-", " "), sentence)
    sentence = re.sub(r"(?<![\w.:/])/(?:[^\s/;,]+/)*([^\s/;,]+)", r"\1", sentence)
    return gradio.Error(sentence[:1].upper() + sentence[1:], duration=12, print_exception=False)
