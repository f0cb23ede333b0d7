"""Files of this machine and of others: one kind of path for both, with pathlib's members."""

import os
import pathlib
from typing import Any, BinaryIO

from preprocess.utils.errors import UserError, first_line

# Of a file elsewhere that is read here and there; COCO's images have 160 KB. A file read from end to end has the
# readers' own 5 MB.
BLOCK = 2**18


def is_remote(place: Any) -> bool:
    """Whether a name is an address, such as gs://bucket/train2017.zip."""
    return "://" in str(place)


def to_place(name: Any) -> Any:
    """A `pathlib.Path`, or for an address what has the same members, a `upath.UPath`.

    Raises:
        UserError: it is an address whose kind is unknown, or what reads those is not installed.
    """
    if not is_remote(name):
        return pathlib.Path(name)
    if not isinstance(name, str):
        return name
    try:
        from upath import UPath
    except ImportError:
        raise UserError(f"{name} is an address; run `pip install universal_pathlib aiohttp` to have it read.") from None
    try:
        place = UPath(name)
        # Imports what reads this kind of address.
        place.fs  # noqa: B018
        return place
    except ImportError as error:
        raise UserError(f"{name} cannot be opened: {first_line(error)}; install that with pip.") from None
    except ValueError as error:
        raise UserError(
            f"{name} cannot be opened ({first_line(error)}); name a file, a folder or an address."
        ) from None


def open_place(place: Any, whole: bool = False) -> BinaryIO:
    """Opens a file, which can be anywhere, so that it can be read here and there, or from end to end where `whole`."""
    if not is_remote(place):
        return open(place, "rb")
    options = {} if whole else {"block_size": BLOCK}
    return to_place(place).open("rb", cache_type="readahead", **options)


def is_file(place: Any) -> bool:
    """Whether a file is there; of an address this asks for a header, where `UPath.is_file` asks for all of it."""
    if not is_remote(place):
        return place.is_file()
    try:
        return place.fs.info(place.path)["type"] == "file"
    except FileNotFoundError:
        return False


def files_in(folder: Any) -> list[Any]:
    """The files in a folder and in those in it, in the order of their names."""
    if not is_remote(folder):
        return sorted(_files_here(folder), key=str)
    # At once, where `UPath.rglob` asks for each.
    start = folder.path.rstrip("/")
    return [folder / name.removeprefix(start).lstrip("/") for name in sorted(folder.fs.find(folder.path))]


def _files_here(folder):
    """A folder's files, those of linked folders too, each folder once; one that cannot be read is an error."""

    def refuse(error):
        raise error

    seen = set()
    for name, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        place = pathlib.Path(name)
        if (real := place.resolve()) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (place / file for file in files if (place / file).is_file())
