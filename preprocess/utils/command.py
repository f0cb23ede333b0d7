"""How a command line begins and ends: its streams, signals, and what it says of an error."""

import argparse
import codecs
import contextlib
import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from preprocess.utils.errors import UserError, without_controls
from preprocess.utils.types import PathLike

# The exit code of Ctrl-C, as shells know it, and of all else that a user can put right.
INTERRUPTED, REFUSED = 130, 2
# What a system sends to have a process end: a scheduler, a closed terminal.
ENDING_SIGNALS = ("SIGTERM", "SIGHUP")
# Of TensorFlow's messages: where in a graph an error came up.
_PLACES_IN_GRAPHS = re.compile(r"\[\[.*?\]\]|\[Op:.*?\]|\{\{.*?\}\}")
_HEADINGS = ("Graph execution error", "Detected at node", "Stack trace", "Error occurred when", "File ", "<st")
# Of its invalid arguments those that come of a file's content, and not of a mistake in the program.
_OF_CONTENT = re.compile(r"parse|Feature|JPEG|decode|record|image", re.IGNORECASE)
# Of an address what follows its path, such as a signature that lets whoever has it read the file.
_SIGNATURE = re.compile(r"(\w+://[^\s?]+)\?[^\s;,)]+")


class Ended(KeyboardInterrupt):
    """The process was told to end by a signal other than Ctrl-C."""


@contextlib.contextmanager
def working_in(folder: PathLike) -> Iterator[None]:
    """Has errors that end this work say where its finished parts are; the innermost folder counts."""
    try:
        yield
    except BaseException as error:
        if not hasattr(error, "folder"):
            error.folder = str(folder)  # type: ignore[attr-defined]
        raise


def sentence_of(error: BaseException, again: str) -> str | None:
    """What to say to a user about an error, None if it is not theirs to put right.

    Args:
        error: the exception: a `UserError`, what the system, TensorFlow or JAX refuse, such as a file on a full disk,
            or an interruption.
        again: how to go on, such as "run the same command again".
    """
    if isinstance(error, UserError):
        return _without_signatures(str(error))
    kept = f"what is finished in {error.folder} is kept; " if hasattr(error, "folder") else ""
    if isinstance(error, KeyboardInterrupt):
        by = f" by {error}" if isinstance(error, Ended) else ""
        return f"interrupted{by}; {kept}{again}."
    reason = reason_of(error)
    if not reason:
        return None
    return _without_signatures(f"{reason}; {kept}put that right or choose another place, then {again}.")


def _without_signatures(sentence: str) -> str:
    return _SIGNATURE.sub(r"\1", sentence)


def reason_of(error: BaseException) -> str | None:
    """What the system, TensorFlow or JAX refused, in words; None for what is no user's to put right."""
    library = type(error).__module__.split(".")[0]
    text = str(error)
    if isinstance(error, OSError) and error.errno:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}"
    if full := re.search("|".join(map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE))), text):
        # HDF5 and others wrap what the system says.
        return full.group()
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text or "OOM when allocating" in text:
        return "memory ran out, of which smaller batches or fewer workers take less"
    if library not in ("tensorflow", "jaxlib", "jax"):
        return None
    lines = (_PLACES_IN_GRAPHS.sub("", line).strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith(_HEADINGS)), type(error).__name__)
    if type(error).__name__ == "InvalidArgumentError" and not _OF_CONTENT.search(first):
        return None
    return first[:300].rstrip(".;")


def describe_exit(code: int | None) -> str:
    """How a process ended, by its exit code: negative ones are signals."""
    if code is None:
        return "closed its streams"
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        return f"was ended by {name}" + (", as by a system whose memory is full" if name == "SIGKILL" else "")
    return f"was ended by signal {-code}"


def open_streams() -> None:
    """Opens standard streams that are closed: else the next file would be in their place, and get what they get."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))


def _as_typed(error: UnicodeError) -> tuple[str | bytes, int]:
    """The bytes that a name was given by where they are no text, and escapes for letters that a terminal has not."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


codecs.register_error("as_typed", _as_typed)


def _prepare() -> None:
    open_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal without the letters of a prompt is no reason to end.
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="as_typed")  # type: ignore[union-attr]
    for name in ENDING_SIGNALS:
        number = getattr(signal, name, None)
        # Not where it is ignored, as under nohup; and only the main thread can.
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            with contextlib.suppress(ValueError):
                signal.signal(number, _end)


def _end(number: int, frame: Any) -> None:
    raise Ended(signal.Signals(number).name)


def _interruption_behind(error: BaseException | None) -> BaseException | None:
    """The interruption that an error comes of; within a library's import one ends as an ImportError, say."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error


def place_name(text: str) -> str:
    """An argument that names a file or a folder; not an empty one, as a shell's unset variable is."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty; name a file or folder")
    return text


def run_command(main: Callable[[], Any], again: str = "run the same command again to go on") -> None:
    """Runs a command line's `main`; on an error of `sentence_of` exits with it: code 2, or 130 after Ctrl-C."""
    _prepare()
    try:
        main()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads any more, as after `| head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(128 + 13)
    except (Exception, KeyboardInterrupt) as caught:
        error = _interruption_behind(caught) or caught
        # The folder that work was under way in may have become known further out.
        vars(error).update(vars(caught) | vars(error))
        sentence = sentence_of(error, again)
        if not sentence:
            raise
        with contextlib.suppress(OSError, ValueError):
            print(f"error: {without_controls(sentence)}", file=sys.stderr)
        sys.exit(INTERRUPTED if type(error) is KeyboardInterrupt else REFUSED)


def leave() -> None:
    """Ends the process that has done its work, without tearing TensorFlow down, which takes a second."""
    # There is nothing left to interrupt.
    for name in ("SIGINT", *ENDING_SIGNALS):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    code = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # a full disk, or nobody reads any more
            code = 1
        except (ValueError, AttributeError):  # closed, or never open
            pass
    os._exit(code)
