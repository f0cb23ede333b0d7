"""Which sources the places hold that a user names: folders of images, of tars or of Parquet files, or such files."""

import collections
import pathlib
import urllib.parse
from collections.abc import Sequence
from typing import Any

from preprocess.sources.folder import is_image
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.places import is_file, is_remote, to_place
from preprocess.utils.types import PathLike

# By the endings of files.
FILES = {".tar": "tar", ".parquet": "parquet"}
FOLDER = "folder"
WANTED = "a folder of images, or tars or Parquet files of images with captions"


def find_sources(names: Sequence[PathLike]) -> list[tuple[str, str, str]]:
    """What there is at some places.

    Returns:
        [(kind, place, label)] of `preprocess.sources.open.KINDS`; the labels are short and differ.

    Raises:
        UserError: something is not there, or none of those.
    """
    found = [pair for name in names for pair in _listed(to_place(name))]
    places = [str(place) for _, place in found]
    if twice := [place for place, count in collections.Counter(places).items() if count > 1]:
        raise UserError(f"{twice[0]} is named twice; give each place once.")
    short = [_name_of(place) or "images" for _, place in found]
    counts = collections.Counter(short)
    labels = [name if counts[name] == 1 else f"{number}/{name}" for number, name in enumerate(short, 1)]
    return [(kind, place, label) for (kind, _), place, label in zip(found, places, labels)]


def _listed(place):
    try:
        return _kinds_in(place)
    except UserError:
        raise
    # Each kind of address has errors of its own.
    except Exception as error:
        if not is_remote(place):
            raise
        raise UserError(f"{place} cannot be read ({first_line(error)}); see that it is right and try again.") from None


def _kinds_in(place) -> list[tuple[str, Any]]:
    # A file first: whether an address is a folder takes all that is there.
    if not is_file(place) and place.is_dir():
        inside = [file for file in sorted(place.iterdir(), key=str) if not file.name.startswith(".")]
        archives = [file for file in inside if _ending(file) in FILES and is_file(file)]
        if not archives:
            return [(FOLDER, _whole(place))]
        if images := [file for file in inside if is_image(file)]:
            raise UserError(
                f"{place} holds images, such as {images[0].name}, and {archives[0].name} beside them; give --images "
                "the ones in a folder of their own, or the files by their names."
            )
        # img2dataset writes a Parquet file of each tar's captions beside it.
        tars = {file.stem for file in archives if FILES[_ending(file)] == "tar"}
        kinds = ((FILES[_ending(file)], file) for file in archives)
        return [(kind, file) for kind, file in kinds if kind == "tar" or file.stem not in tars]
    if not is_file(place):
        raise UserError(f"{place} not found; give --images {WANTED}.")
    if _ending(place) not in FILES:
        remedy = "its own option, --zip" if _ending(place) == ".zip" else f"{WANTED}, with .tar or .parquet"
        raise UserError(f"{place} is none of the sources that are read by --images; give it {remedy}.")
    return [(FILES[_ending(place)], place)]


def _name_of(place):
    """A file's or folder's name, without what an address may end with, such as a signature."""
    return pathlib.PurePosixPath(urllib.parse.urlsplit(str(place)).path).name if is_remote(place) else place.name


def _ending(place):
    return pathlib.PurePosixPath(_name_of(place)).suffix.lower()


def _whole(place):
    """A local folder by its whole name, so that "." has one."""
    return place if is_remote(place) else place.resolve()
