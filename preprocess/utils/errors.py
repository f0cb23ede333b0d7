"""The one kind of error that a user can cause, and how a command line says it."""

import numbers
import os
import signal
import sys
from collections.abc import Callable
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


def counted(number: Any, noun: str) -> str:
    """A number with its noun: "1 image", "2 images"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sentence_of(error: BaseException, again: str) -> str | None:
    """What to say to a user about an error, None if it is not theirs to put right.

    Args:
        error: the exception: a `UserError`, what the system refuses, such as a file on a full disk, or an interruption.
        again: how to go on, such as "run the same command again".
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted; {again}."
    if isinstance(error, OSError) and error.errno:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; put that right or choose another place, then run the command again."
    return None


def run_command(main: Callable[[], Any], again: str = "run the same command again to go on") -> None:
    """Runs a command line's `main`; on an error of `sentence_of` exits with it: code 2, or 130 when interrupted."""
    try:
        main()
    except (UserError, OSError, KeyboardInterrupt) as error:
        sentence = sentence_of(error, again)
        if not sentence:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(130 if isinstance(error, KeyboardInterrupt) else 2)


def leave() -> None:
    """Ends the process that has done its work, without tearing TensorFlow down, which takes a second."""
    # There is nothing left to interrupt.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # a full disk, or nobody reads any more
            code = 1
        except (ValueError, AttributeError):  # closed, or never open
            pass
    os._exit(code)
