"""A bar on a terminal, and lines elsewhere: a log file or a saved notebook keeps every state of a bar."""

import sys
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

from preprocess.utils.errors import UserError

# Between two lines where there is no terminal.
SECONDS = 30.0


class _LineFile:
    """A stream that gets whole lines, and none that are empty."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        if text := text.strip():
            self.stream.write(f"{text}\n")

    def flush(self) -> None:
        self.stream.flush()


class _Bar(tqdm):
    """A bar that leaves nothing behind where a sentence says what is wrong."""

    leave: bool

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.leave = self.leave and not isinstance(error, UserError)
        super().__exit__(kind, error, trace)


class _Lines(_Bar):
    """A bar whose states are lines of their own."""

    # No thread that has it print more often.
    monitor_interval = 0

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        def show(status: str) -> None:
            file.write(status)
            file.flush()

        return show


def is_terminal() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def progress_bar(iterable: Any = None, desc: str | None = None, total: int | None = None, **options: Any) -> tqdm:
    """A `tqdm` bar with its arguments; where standard error is no terminal, a line every half minute and at the end."""
    if is_terminal():
        return _Bar(iterable, desc, total, **options)
    if sys.stderr is None:
        return _Bar(iterable, desc, total, **options | {"disable": True})
    # A delay, so that there is no line at the beginning; and whatever the pace, which tqdm would learn from the jump to
    # where a resumed training stands.
    options |= {"mininterval": SECONDS, "delay": 1e-9, "miniters": 1, "ascii": True, "ncols": 100}
    return _Lines(iterable, desc, total, file=_LineFile(sys.stderr), **options)
