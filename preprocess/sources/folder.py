"""A folder of images: with metadata.jsonl or metadata.csv, as the Hub's, or with a.txt beside a.jpg."""

import itertools
import unicodedata
import zlib
from collections.abc import Iterator
from typing import Any

from preprocess.shards.decode import ENDINGS, UNREAD_ENDINGS
from preprocess.sources.captions import usable
from preprocess.sources.photo import MAX_FILE_SIZE, Photo, Source, check_file_size, number_of
from preprocess.utils.errors import UserError
from preprocess.utils.load import decode_text, is_blank, parse_json, read_table
from preprocess.utils.places import files_in, is_remote, open_place, to_place
from preprocess.utils.types import PathLike

LISTS = ("metadata.jsonl", "metadata.csv")
FILE_NAME = "file_name"
EXAMPLE = 'a file metadata.jsonl there, with lines such as {"file_name": "a.jpg", "caption": "A cow in a field."}'
TEXT = ".txt"
REMEDY = "put that right"


def is_image(place: Any) -> bool:
    return place.name.lower().endswith(ENDINGS + UNREAD_ENDINGS) and not place.name.startswith(".")


class FolderSource(Source):
    """A folder and those in it. What a list of metadata says of an image counts, else what a text beside it says."""

    def __init__(self, archive: PathLike) -> None:
        super().__init__()
        self.folder = to_place(archive)

    def photos(self, label: str, caption_field: str | None = None) -> Iterator[Photo]:
        files = files_in(self.folder)
        images = {self._member(place): place for place in files if is_image(place)}
        if not images:
            raise UserError(
                f"{self.folder} holds no {', '.join(ENDINGS[:3])} or other images; name another folder, or that "
                "which tars or Parquet files are in."
            )
        self.label = label
        lists = [place for place in files if place.name in LISTS]
        listed = (pair for place in lists for pair in self._listed(place, images, caption_field))
        found: set[str] = set()
        for member, captions in itertools.chain(listed, self._beside(images, files, found)):
            if member in found:
                raise UserError(f"{self.folder} gives {member} captions twice; list each image once.")
            if captions:
                found.add(member)
                yield Photo(
                    number_of(member), member, captions, str(self.folder), (), f"{label}/{member}", "folder",
                    self._stamp(images[member]),
                )  # fmt: skip
        if not found:
            raise self.without_field or self._no_captions()
        self.bare = [f"{label}/{member}" for member in images if member not in found]

    def read(self, member: str) -> bytes:
        with open_place(self.folder / member, whole=True) as file:
            data = file.read(MAX_FILE_SIZE + 1)
        check_file_size(len(data))
        return data

    def _member(self, place):
        return place.relative_to(self.folder).as_posix()

    def _stamp(self, place):
        """An image's checksum; of another machine's, or one that is too large, its size, since it is not read twice."""
        size = place.stat().st_size
        return (size,) if is_remote(place) or size > MAX_FILE_SIZE else (zlib.crc32(place.read_bytes()),)

    def _no_captions(self):
        first = "; {}: {}".format(*self.left_out[0]) if self.left_out else ""
        return UserError(
            f"{self.folder} holds no captions of its images{first}; write {EXAMPLE}, or beside each image a text file "
            "of its name, a.txt for a.jpg."
        )

    def _beside(self, images, files, found):
        """The captions in text files beside images, a line each, of images that are not `found` when they are asked."""
        texts = {self._stem(place): place for place in files if place.suffix.lower() == TEXT}
        for member, place in images.items():
            if member not in found and (text := texts.get(self._stem(place))):
                yield member, self._captions_in(text, f"{self.label}/{member}")
        stems = set(map(self._stem, images.values()))
        self.left_out += [
            (f"{self.label}/{self._member(text)}", "a text without an image")
            for stem, text in texts.items()
            if stem not in stems
        ]

    def _stem(self, place):
        return self._member(place.with_suffix(""))

    def _captions_in(self, text, name):
        try:
            lines = decode_text(text.read_bytes(), "its text", REMEDY).splitlines()
        except UserError as error:
            self.left_out.append((name, str(error).partition(";")[0]))
            return ()
        # Files end with empty lines.
        return usable(name, [line for line in lines if not is_blank(line)] or lines[:1], self.left_out)

    def _listed(self, place, images, wanted):
        """The captions of a list of metadata, by the images' names in the list's folder."""
        by_name = {_plain(member): member for member in images}
        for number, row in enumerate(_rows(place), 1):
            name = row.get(FILE_NAME)
            if not isinstance(name, str) or not name:
                self.left_out.append((f"{self.label}/{self._member(place)}, row {number}", f"no {FILE_NAME}"))
                continue
            field = self.find_field([key for key in row if key != FILE_NAME], wanted, place)
            member = by_name.get(_plain(_joined(self._member(place.parent), name)))
            if member:
                yield member, usable(f"{self.label}/{member}", row[field] if field else None, self.left_out)
            else:
                self.left_out.append((name, f"named in {self._member(place)}, but not among the images of its folder"))


def _joined(folder, name):
    """A name in a folder's list as a path from the source's folder; names that lead elsewhere stay as they are."""
    name = name.replace("\\", "/").removeprefix("./")
    return name if folder in ("", ".") else f"{folder}/{name}"


def _plain(name):
    """A name such that those that mean the same are equal: macOS decomposes letters with accents."""
    return unicodedata.normalize("NFC", name)


def _rows(place) -> Iterator[dict[str, Any]]:
    if place.name.endswith(".csv"):
        yield from read_table(place, REMEDY, [FILE_NAME])
        return
    with open_place(place, whole=True) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield parse_json(line, f"{place}, line {number},", REMEDY, dict[str, Any])
