"""Folders that steps of the project make: the manifest that says what made one, and whose it is."""

import contextlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from preprocess.utils.command import working_in
from preprocess.utils.errors import UserError
from preprocess.utils.files import PARTIAL, as_json, check_inputs_outside, check_no_file, write_json
from preprocess.utils.load import read_json
from preprocess.utils.types import PathLike

MANIFEST = "manifest.json"
# Images that could not be used, with reasons. All that is left in a folder where that was all of them.
REJECTED, REJECTED_HEADER = "rejected.csv", b"file,reason\n"
SCHEMA_VERSION = 2
# What macOS, Windows and Jupyter put into folders.
STRAY = (".DS_Store", "Thumbs.db", "desktop.ini", ".ipynb_checkpoints")
# Of a step's settings those that follow from others.
FOLLOWING = ("photos", "words")
# A shard's file; any other name in a manifest might lead out of its folder.
SHARD = re.compile(r"(train|val)-\d+\.tfrecord")


class Shard(TypedDict):
    """A shard's records, and the bytes of its file."""

    count: int
    bytes: int


class Manifest(TypedDict):
    """What every step's manifest.json holds, and what some do."""

    schema_version: int
    complete: bool
    settings: dict[str, Any]
    kind: NotRequired[str]
    counts: NotRequired[dict[str, int]]
    caption_counts: NotRequired[dict[str, int]]
    shards: NotRequired[dict[str, Shard]]
    clip_spec: NotRequired[str]
    precision: NotRequired[str]
    patches: NotRequired[int]
    drawn_by: NotRequired[str | None]
    scenes: NotRequired[int]


def read_manifest(folder: PathLike, made_by: str) -> dict[str, Any]:
    """Reads `folder/manifest.json`.

    Args:
        folder: the folder that a step of the project made.
        made_by: the command that makes such a folder, for the error.

    Raises:
        UserError: there is none, it is damaged, of another schema version, or the step did not finish.
    """
    path = pathlib.Path(folder) / MANIFEST
    if path.parent.is_file():
        raise UserError(f"{folder} is a file; name a folder that was made as by `{made_by}`.")
    if not path.is_file():
        fault = f"has no {MANIFEST}" if path.parent.exists() else "is not there"
        raise UserError(f"{folder} {fault}; name a folder that was made as by `{made_by}`.")
    made_by = f"{made_by} --out {folder}"
    manifest = read_json(path, f"make the folder again with `{made_by} --overwrite`", Manifest)
    if manifest["schema_version"] != SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {manifest['schema_version']}, not {SCHEMA_VERSION}; make it again with "
            f"`{made_by} --overwrite`."
        )
    if not manifest["complete"]:
        raise UserError(f"{folder} is not finished; run `{made_by}` again and it goes on where it stopped.")
    if strange := [name for name in manifest.get("shards", ()) if not SHARD.fullmatch(name)]:
        raise UserError(
            f"{path} names a shard {strange[0]!r}, which is none; make the folder again with `{made_by} --overwrite`."
        )
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
    folder: PathLike,
    settings: dict[str, Any],
    made: Sequence[str],
    overwrite: bool = False,
    inputs: Iterable[PathLike] = (),
) -> Iterator[dict[str, Any]]:
    """Makes an output folder, or opens one made with the same settings so that work goes on in it; a context manager.

    Args:
        folder: the output folder.
        settings: JSON-able dict of everything that the folder's contents depend on.
        made: regular expressions of the names of the files that are made in it.
        overwrite: whether to remove those from a folder that was made with other settings, or whose manifest is
            damaged.
        inputs: paths that are read, which the folder must not hold.

    Yields:
        The folder's manifest, which has `complete` true when nothing is left to do.

    Raises:
        UserError: the folder holds an input or what this project did not make, or was made with other settings and
            `overwrite` is false.
    """
    folder = pathlib.Path(folder)
    settings = as_json(settings)
    check_no_file(folder)
    check_inputs_outside(folder, inputs)
    with sole_use(folder), working_in(folder):
        manifest = _continued(folder, settings, overwrite)
        if not manifest:
            _empty(folder, made)
            manifest = {"schema_version": SCHEMA_VERSION, "complete": False, "settings": settings}
            write_json(folder / MANIFEST, manifest)
        yield manifest


def is_fresh(folder: PathLike) -> bool:
    """Whether work can begin in a folder: it is not there, or holds only what a failed or killed beginning left."""
    folder = pathlib.Path(folder)
    if not folder.exists():
        return True
    entries = (entry for entry in folder.iterdir() if entry.name not in STRAY)
    return all(entry.name.startswith(PARTIAL) or _is_list(entry) for entry in entries)


def _is_list(path: pathlib.Path) -> bool:
    """Whether a file is a list of images that could not be used, as steps here write it."""
    if path.name != REJECTED or not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(REJECTED_HEADER)) == REJECTED_HEADER


def _continued(folder, settings, overwrite):
    """The manifest of a folder in which work can go on, None for one that is to be made anew."""
    if is_fresh(folder):
        return None
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} is not empty and was not made by this command; choose another --out.")
    try:
        manifest = read_json(path, "use --overwrite to make the folder anew or choose another --out", Manifest)
    except UserError:
        if overwrite:
            return None
        raise
    found = manifest["settings"]
    if found == settings and manifest["schema_version"] == SCHEMA_VERSION:
        return manifest
    if found.keys() != settings.keys():
        raise UserError(f"{folder} was made by another command; choose another --out.")
    if not overwrite:
        raise UserError(
            f"{folder} was made with other settings ({_difference(found, settings)}); "
            "use --overwrite to make it anew or choose another --out."
        )
    return None


def _difference(found, settings):
    """In what two steps' settings differ, without what follows from what was given."""
    names = sorted(key for key in {*found, *settings} if found.get(key) != settings.get(key))
    for following in FOLLOWING:
        if len(names) > 1 and following in names:
            names.remove(following)
    told = (
        # A hash of images, or what made a folder's input, says nothing to anybody.
        name
        if name in FOLLOWING or isinstance(found.get(name), dict)
        else f"{name}: {found.get(name)} there, {settings.get(name)} now"
        for name in names
    )
    return ", ".join(told) or "schema"


def _made_in(folder: PathLike, made: Sequence[str]) -> list[pathlib.Path]:
    own = re.compile("|".join([*made, re.escape(MANIFEST), re.escape(REJECTED), re.escape(PARTIAL) + ".*"]))
    entries = [path for path in sorted(pathlib.Path(folder).iterdir()) if path.name not in STRAY]
    for path in entries:
        if path.is_dir() or not own.fullmatch(path.name):
            raise UserError(
                f"{folder} holds {path.name}, which this command did not make; move it elsewhere, or choose another "
                "--out."
            )
    return sorted(entries, key=lambda path: path.name != MANIFEST)


def _empty(folder: pathlib.Path, made: Sequence[str]) -> None:
    """Removes what a step made, but for its manifest, which no longer says that it is finished.

    A kill on the way leaves a folder that is known for one of the step's, so that the same command goes on.
    """
    if _made_in(folder, made) and (folder / MANIFEST).is_file():
        with contextlib.suppress(UserError):  # a damaged one says nothing
            write_json(folder / MANIFEST, read_json(folder / MANIFEST, "", Manifest) | {"complete": False})
    remove_made(folder, made, keep=MANIFEST)


def remove_made(folder: PathLike, made: Sequence[str], keep: str | None = None) -> None:
    """Removes the files that a step made in a folder, the manifest first: a kill on the way leaves no finished folder.

    Args:
        folder: the folder. made: regular expressions of their names. keep: the name of one that stays.

    Raises:
        UserError: the folder holds anything else; then nothing is removed.
    """
    for path in _made_in(folder, made):
        if path.name != keep:
            path.unlink()


def remove_folder(folder: PathLike) -> None:
    """Removes a folder such that a kill on the way leaves nothing under its name."""
    # Resolved, since neither "." nor a link can be renamed in place of what it stands for.
    folder = pathlib.Path(folder).resolve()
    doomed = folder.with_name(PARTIAL + folder.name)
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(folder, doomed)
    shutil.rmtree(doomed)
