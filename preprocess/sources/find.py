"""Which sources the places hold that a user names: folders of images, of tars or of Parquet files, or such files."""

import collections
from collections.abc import Sequence
from typing import Any

from preprocess.utils.errors import UserError
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
    found = [pair for name in names for pair in _kinds_in(to_place(name))]
    places = [str(place) for _, place in found]
    if twice := [place for place, count in collections.Counter(places).items() if count > 1]:
        raise UserError(f"{twice[0]} is named twice; give each place once.")
    short = [place.name or "images" for _, place in found]
    counts = collections.Counter(short)
    labels = [name if counts[name] == 1 else f"{number}/{name}" for number, name in enumerate(short, 1)]
    return [(kind, place, label) for (kind, _), place, label in zip(found, places, labels)]


def _kinds_in(place) -> list[tuple[str, Any]]:
    # A file first: whether an address is a folder takes all that is there.
    if not is_file(place) and place.is_dir():
        files = sorted((file for file in place.iterdir() if file.suffix.lower() in FILES), key=str)
        tars = [file for file in files if FILES[file.suffix.lower()] == "tar"]
        # img2dataset writes a Parquet file of each tar's captions beside it.
        chosen = tars or files
        return [(FILES[file.suffix.lower()], file) for file in chosen] or [(FOLDER, _whole(place))]
    if not is_file(place):
        raise UserError(f"{place} not found; give --images {WANTED}.")
    if place.suffix.lower() not in FILES:
        remedy = "its own option, --zip" if place.suffix.lower() == ".zip" else f"{WANTED}, with .tar or .parquet"
        raise UserError(f"{place} is none of the sources that are read by --images; give it {remedy}.")
    return [(FILES[place.suffix.lower()], place)]


def _whole(place):
    """A local folder by its whole name, so that "." has one."""
    return place if is_remote(place) else place.resolve()
