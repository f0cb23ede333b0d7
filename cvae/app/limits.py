"""What a person may ask of the page, and what it answers to what it cannot do: sentences."""

import functools
import inspect
import io
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from cvae.utils.arrays import to_uint8
from preprocess.shards.decode import BadImage, decode
from preprocess.utils.command import sentence_of
from preprocess.utils.errors import UserError

# Letters of a prompt: encoders read 20 to 77 tokens of it. Bytes of a picture.
LONGEST_PROMPT, LARGEST_FILE = 500, 20 * 2**20
# Pictures at once, steps, and people in the queue, who would wait for minutes.
MOST_PICTURES, MOST_STEPS, MOST_WAITING = 12, 50, 40
LARGEST_SEED = 2**31 - 1
# Of what draws, in any tab: all cores are taken by one drawing.
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "draw", "concurrency_limit": 1}


def checked_prompt(prompt: str | None, what: str = "a prompt") -> str:
    """A prompt without what surrounds it.

    Raises:
        UserError: there is none, or it is too long.
    """
    prompt = " ".join((prompt or "").split())
    if not prompt:
        raise UserError(f'Write {what}, such as "white sheep in the snow".')
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
    with open(path, "rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise UserError(f"The picture has more than {LARGEST_FILE >> 20} MB; choose a smaller one.")
    try:
        return decode(data)
    except BadImage as error:
        raise UserError(f"That cannot be used as a picture ({error}); choose a JPEG or PNG.") from None


def to_images(pictures: np.ndarray) -> list[Any]:
    """Pictures float (n, height, width, 1 or 3) in [0, 1] as a list of `PIL.Image`."""
    from PIL import Image

    return [Image.fromarray(one[..., 0] if one.shape[-1] == 1 else one) for one in to_uint8(pictures)]


def as_png(image: Any) -> bytes:
    """A `PIL.Image` as a PNG's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def spoken(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has what a page calls answer with a sentence in place of a traceback, which the server's own log gets."""
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def yields(*arguments: Any) -> Any:
            try:
                yield from function(*arguments)
            except Exception as error:
                raise as_answer(error) from None

        return yields

    @functools.wraps(function)
    def returns(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Exception as error:
            raise as_answer(error) from None

    return returns


def as_answer(error: Exception) -> Exception:
    """What the page shows of an error: Gradio's."""
    import gradio

    sentence = sentence_of(error, "try again")
    if sentence is None:
        traceback.print_exception(error, file=sys.stderr)
        sentence = "Something went wrong here, which is not your fault; try something else."
    # As the page has them, in place of a command line's options.
    sentence = re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda found: found[1].replace("-", " "), sentence)
    return gradio.Error(sentence[:1].upper() + sentence[1:], duration=12, print_exception=False)
