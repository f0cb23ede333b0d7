"""The one kind of error that a user can cause, and the checks that raise it."""

import difflib
import numbers
import unicodedata
from collections.abc import Iterable
from typing import Any


class UserError(Exception):
    """Something the user can put right. The message is one sentence that names the thing and what to do."""


def range_in_words(least: float | None, most: float | None) -> str:
    """What follows "number" in a sentence on a range: " from 1 to 4", ", 1 or more", ", 4 at most" or nothing."""
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if least is not None:
        return f", {least} or more"
    return "" if most is None else f", {most} at most"


def check_whole(option: str, number: Any, least: int, most: int | None = None) -> None:
    """Raises a UserError unless an option's number is a whole one, `least` or more, and `most` at most."""
    whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    if not whole or number < least or (most is not None and number > most):
        raise UserError(f"--{option} must be a whole number{range_in_words(least, most)}.")


def first_line(error: BaseException) -> str:
    """What an error of a library's says, in a line of 150 letters at most; its kind where it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0][:150]


def without_controls(text: str) -> str:
    """A text of a user's files for a terminal: no code in it that moves the cursor or colours what follows."""
    plain = (char if char in "\n\t" or unicodedata.category(char) != "Cc" else f"\\x{ord(char):02x}" for char in text)
    return "".join(plain)


def suggest(name: str, known: Iterable[str], otherwise: str = "choose one") -> str:
    """How a sentence goes on after a name that nothing has: with the nearest that something has."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}, or another" if near else otherwise


def counted(number: Any, noun: str) -> str:
    """A number with its noun: "1 image", "2 images"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def summary(text: str | None) -> str:
    """The first sentence of a module's docstring, for its help; nothing where Python was told to keep none (-OO)."""
    first = (text or "").strip().split("\n\n")[0].replace("\n", " ")
    return first.split(": ")[0].rstrip(".") + "." if first else ""
