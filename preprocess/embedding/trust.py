"""Whose code an encoder's class may run: a user's who named it, not that of a file which somebody gave them."""

import contextlib
import os
import pathlib

from preprocess.utils.errors import UserError
from preprocess.utils.files import sha256, write_text
from preprocess.utils.load import read_text


def _list_path() -> pathlib.Path:
    home = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local" / "state"
    return pathlib.Path(home) / "clip-cvae" / "encoders.txt"


def runs_code(spec: str) -> bool:
    """Whether what loads an encoder names a class, and no weights."""
    return ":" in spec and not pathlib.Path(spec).is_file()


def _mark(spec: str) -> str:
    """What an encoder's class is known by: its file's hash, wherever that lies, or its module's name."""
    location, _, name = spec.rpartition(":")
    return f"{sha256(location)}:{name}" if pathlib.Path(location).is_file() else spec


def _known() -> list[str]:
    with contextlib.suppress(UserError, RuntimeError):  # no list yet, or no home
        return read_text(_list_path(), "").split()
    return []


def remember(spec: str) -> None:
    """Notes that this user named an encoder, so that runs and data which it made may load it again."""
    if runs_code(spec) and _mark(spec) not in (known := _known()):
        with contextlib.suppress(OSError, RuntimeError):  # no home, or none to write to: it has to be named each time
            write_text(_list_path(), "\n".join([*known, _mark(spec)]) + "\n")


def check_known(spec: str) -> None:
    """Raises a UserError for an encoder's class that a file names and this user never did: its code would run."""
    if runs_code(spec) and _mark(spec) not in _known():
        raise UserError(
            f"the encoder {spec} is a program, which you have not named here yet; if you trust it, name it once with "
            "--clip, for clip_wrapper.py or `cvae generate`."
        )
