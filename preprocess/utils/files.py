"""Files that appear whole or not at all, and names for new ones."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import pathlib
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from preprocess.utils.errors import UserError
from preprocess.utils.places import is_remote
from preprocess.utils.types import PathLike

PARTIAL = ".partial-"
# What file systems say that cannot do it, such as Google Drive's in Colab.
NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF, errno.EACCES)


@contextlib.contextmanager
def atomic_path(path: PathLike, alone: bool = True) -> Iterator[pathlib.Path]:
    """Gives a temporary path beside `path`; on success it takes the final name, on failure it is removed.

    Unless this process is `alone` in writing that file, the temporary name is one of its own.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last, since writers choose their format by it.
    partial = path.with_name(PARTIAL + ("" if alone else f"{uuid.uuid4().hex}-") + path.name)
    try:
        yield partial
        # Else a power cut after the renaming may leave an empty file.
        _sync(partial)
        os.replace(partial, path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: pathlib.Path) -> None:
    """Has what was written to a file or folder brought to the disk."""
    try:
        # Windows wants a file to be writable; a folder never is.
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def remove_partials(folder: PathLike) -> None:
    """Removes what processes that were killed left half written in a folder that nobody else writes into."""
    for path in pathlib.Path(folder).glob(f"{PARTIAL}*"):
        path.unlink(missing_ok=True)


def is_whole(path: PathLike, size: int) -> bool:
    """Whether a file is there and has its `size` in bytes."""
    path = pathlib.Path(path)
    return path.is_file() and path.stat().st_size == size


def check_inputs_outside(folder: PathLike, inputs: Iterable[PathLike]) -> None:
    """Raises a UserError if an output folder holds one of the paths that are read."""
    for path in inputs:
        if not is_remote(path) and pathlib.Path(path).resolve().is_relative_to(pathlib.Path(folder).resolve()):
            raise UserError(f"the output folder {folder} holds the input {path}; choose another --out.")


def check_no_file(folder: PathLike) -> None:
    """Raises a UserError if an output folder's name is a file's, or begins with one."""
    for part in (pathlib.Path(folder), *pathlib.Path(folder).parents):
        # Devices are no folders either.
        if part.exists() and not part.is_dir():
            raise UserError(f"{part} is a file; name a folder for the output.")


def check_writable(folder: PathLike) -> None:
    """Raises a UserError if nothing can be written into a folder, or where it would be made; see `check_no_file`."""
    check_no_file(folder)
    folder = pathlib.Path(folder)
    there = next(part for part in (folder, *folder.parents) if part.is_dir())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise UserError(f"{there} cannot be written into ({error.strerror}); choose another --out.") from None


def numbered_file(path: PathLike) -> pathlib.Path:
    """The path itself, or where something is there the first free one of NAME-2.png, NAME-3.png and so on."""
    path = pathlib.Path(path)
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    # A link that leads nowhere is somebody's too.
    return next(free for free in itertools.chain([path], others) if not os.path.lexists(free))


def save_numbered(path: PathLike, save: Callable[[pathlib.Path], Any]) -> pathlib.Path:
    """Has a function write a file, which then takes the first free of the names of `numbered_file`, and returns that.

    Of several that save at once each gets a name of its own.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of any length that the path's own name may have; the suffix says in which format.
    partial = path.with_name(f"{PARTIAL}{uuid.uuid4().hex}{path.suffix}")
    try:
        save(partial)
        _sync(partial)
        while True:
            free = numbered_file(path)
            try:
                os.link(partial, free)
            except FileExistsError:  # another took it
                continue
            except OSError:  # a file system without links
                os.replace(partial, free)
            _sync(path.parent)
            return free
    finally:
        partial.unlink(missing_ok=True)


def next_folder(parent: PathLike, first: int = 1) -> pathlib.Path:
    """Makes and returns the next of the folders "1", "2", "3" and so on in another.

    The numbers go on after the highest that is there, so that they show the order.
    """
    parent = pathlib.Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    numbers = [int(entry.name) for entry in parent.iterdir() if entry.name.isdecimal()]
    for number in itertools.count(max([first - 1, *numbers]) + 1):
        try:
            (parent / str(number)).mkdir()
        except FileExistsError:  # another process took it
            continue
        return parent / str(number)
    raise AssertionError("numbers do not end")


def numbered_folder(folder: PathLike) -> pathlib.Path:
    """Makes and returns a folder that is empty: the one named, or where that holds anything a numbered one in it."""
    folder = pathlib.Path(folder)
    if not folder.exists() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    return next_folder(folder, first=2)


def write_text(path: PathLike, text: str) -> None:
    with atomic_path(path) as partial:
        # Names from elsewhere may hold halves of characters, which UTF-8 has not.
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")


def as_json(value: Any) -> Any:
    """A value as it would come back from a JSON file: tuples are lists."""
    return json.loads(json.dumps(value))


def write_json(path: PathLike, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def sha256(path: PathLike) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
