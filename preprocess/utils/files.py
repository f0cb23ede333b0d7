"""Files that appear whole or not at all, and the manifest that says what made a folder."""

import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike

MANIFEST = "manifest.json"
# Images that could not be used, with reasons. All that is left in a folder where that was all of them.
REJECTED = "rejected.csv"
PARTIAL = ".partial-"
SCHEMA_VERSION = 2


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[pathlib.Path]:
    """Gives a temporary path beside `path`; on success it takes the final name, on failure it is removed."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last, since writers choose their format by it.
    partial = path.with_name(PARTIAL + path.name)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def is_whole(path: PathLike, size: int) -> bool:
    """Whether a file is there and has its `size` in bytes."""
    path = pathlib.Path(path)
    return path.is_file() and path.stat().st_size == size


def check_shards(folder: PathLike, shards: dict[str, dict[str, int]], made_by: str) -> None:
    """Raises a UserError unless a folder holds every shard of its manifest's {name: {"count", "bytes"}}, whole."""
    for name, shard in shards.items():
        if not is_whole(pathlib.Path(folder) / name, shard["bytes"]):
            raise UserError(
                f"{folder} lacks {name} or has only a part of it; make it again, which mends that: `{made_by}`."
            )


def check_inputs_outside(folder: PathLike, inputs: Iterable[PathLike]) -> None:
    """Raises a UserError if an output folder holds one of the paths that are read."""
    for path in inputs:
        if pathlib.Path(path).resolve().is_relative_to(pathlib.Path(folder).resolve()):
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
    return next(free for free in itertools.chain([path], others) if not free.exists())


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
        partial.write_text(text, encoding="utf-8")


def write_json(path: PathLike, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def sha256(path: PathLike) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: PathLike, made_by: str) -> dict[str, Any]:
    """Reads `folder/manifest.json`.

    Args:
        folder: the folder that a step of the project made.
        made_by: the command that makes such a folder, for the error.

    Raises:
        UserError: there is none, it is not JSON, of another schema version, or the step did not finish.
    """
    path = pathlib.Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version, complete = manifest["schema_version"], manifest["complete"]
    except NotADirectoryError:
        raise UserError(f"{folder} is a file; name a folder that was made as by `{made_by}`.") from None
    except FileNotFoundError:
        raise UserError(f"{folder} has no {MANIFEST}; name a folder that was made as by `{made_by}`.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not a manifest of this project; make the folder with `{made_by}`.") from None
    if version != SCHEMA_VERSION:
        raise UserError(f"{path} has schema version {version}, not {SCHEMA_VERSION}; make it again with `{made_by}`.")
    if not complete:
        raise UserError(f"{folder} is not finished; run `{made_by}` again and it goes on where it stopped.")
    return manifest


def is_finished(folder: PathLike) -> bool:
    """Whether a step of the project has made a folder and finished."""
    try:
        read_manifest(folder, "")
    except UserError:
        return False
    return True


@contextlib.contextmanager
def sole_use(folder: PathLike) -> Iterator[None]:
    """Makes a folder if there is none, and keeps other processes that want its sole use out of it.

    Raises:
        UserError: another process has it, or it cannot be made.
    """
    fcntl: Any
    try:
        import fcntl
    except ImportError:  # Windows
        fcntl = None
    try:
        pathlib.Path(folder).resolve().mkdir(parents=True, exist_ok=True)
        # The lock of an open file ends with its process, however that ends.
        descriptor = os.open(folder, os.O_RDONLY) if fcntl else -1
    except OSError as error:
        raise UserError(f"{folder} cannot be made or used ({error.strerror}); choose another folder.") from None
    if not fcntl:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(f"{folder} is in use by another run; wait until that has ended, or choose another.") from None
    except OSError:
        pass  # some file systems, such as Google Drive's in Colab, have no locks
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def open_folder(
    folder: PathLike, settings: dict[str, Any], overwrite: bool = False, inputs: Iterable[PathLike] = ()
) -> Iterator[dict[str, Any]]:
    """Makes an output folder, or opens one made with the same settings so that work goes on in it; a context manager.

    Args:
        folder: the output folder.
        settings: JSON-able dict of everything that the folder's contents depend on.
        overwrite: whether to empty a folder that was made with other settings.
        inputs: paths that are read, which the folder must not hold.

    Yields:
        The folder's manifest, which has `complete` true when nothing is left to do.

    Raises:
        UserError: the folder holds an input or what this project did not make, or was made with other settings and
            `overwrite` is false.
    """
    folder = pathlib.Path(folder)
    settings = json.loads(json.dumps(settings))
    check_no_file(folder)
    check_inputs_outside(folder, inputs)
    with contextlib.ExitStack() as held:
        held.enter_context(sole_use(folder))
        manifest = _continued(folder, settings, overwrite)
        if not manifest:
            if not is_fresh(folder):
                remove_folder(folder)
                held.enter_context(sole_use(folder))
            manifest = {"schema_version": SCHEMA_VERSION, "complete": False, "settings": settings}
            write_json(folder / MANIFEST, manifest)
        yield manifest


def is_fresh(folder: PathLike) -> bool:
    """Whether work can begin in a folder: it is not there, or holds only what a failed or killed beginning left."""
    folder = pathlib.Path(folder)
    if not folder.exists():
        return True
    return all(entry.name.startswith(PARTIAL) or entry.name == REJECTED for entry in folder.iterdir())


def _continued(folder, settings, overwrite):
    """The manifest of a folder in which work can go on, None for one that is to be made anew."""
    if is_fresh(folder):
        return None
    manifest = _own_manifest(folder)
    found = manifest["settings"]
    if found == settings and manifest["schema_version"] == SCHEMA_VERSION:
        return manifest
    if found.keys() != settings.keys():
        raise UserError(f"{folder} was made by another command; choose another --out.")
    if not overwrite:
        names = sorted(key for key in {*found, *settings} if found.get(key) != settings.get(key))
        raise UserError(
            f"{folder} was made with other settings ({', '.join(names) or 'schema'}); "
            "use --overwrite to make it anew or choose another --out."
        )
    return None


def _own_manifest(folder):
    """The manifest of a folder that this project made, which alone may be emptied."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(manifest["settings"], dict) and isinstance(manifest["schema_version"], int):
            return manifest
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{folder} is not empty and was not made by this command; choose another --out.")


def keep_only(folder: PathLike, name: str) -> None:
    """Removes all files of a folder but one, the manifest first: a kill on the way leaves no finished folder."""
    for path in sorted(pathlib.Path(folder).iterdir(), key=lambda path: path.name != MANIFEST):
        if path.name != name:
            path.unlink()


def remove_folder(folder: PathLike) -> None:
    """Removes a folder such that a kill on the way leaves nothing under its name."""
    # Resolved, since neither "." nor a link can be renamed in place of what it stands for.
    folder = pathlib.Path(folder).resolve()
    doomed = folder.with_name(PARTIAL + folder.name)
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(folder, doomed)
    shutil.rmtree(doomed)
