"""Photographs in the order of their ids, on the disk: millions take no more memory than a few."""

import contextlib
import itertools
import json
import pathlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from preprocess.shards.records import SPLITS, split_of
from preprocess.sources.photo import Photo
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.load import parse_json
from preprocess.utils.types import PathLike

# Rows written, or read, at once.
MANY = 1000
ORDER = "image_id, row"


class Part(NamedTuple):
    """The photographs of one shard: a split's, from one place on."""

    split: str
    start: int
    size: int


class PhotoIndex:
    """The photographs that go into shards, in a file that several processes may read.

    Ordered by their ids, the splits apart as `split_of` has them.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self._counts: dict[str, int] = {}

    def fill(self, photos: Iterable[Photo], validation_share: float, limit: int | None = None) -> int:
        """Makes the index of photographs in any order, of the `limit` lowest ids. Returns how many there were."""
        rows = (
            (photo.image_id, SPLITS.index(split_of(photo.image_id, validation_share)), _to_text(photo))
            for photo in photos
        )
        with self._open() as index:
            index.execute("CREATE TABLE found (image_id INTEGER, split INTEGER, row TEXT)")
            while group := list(itertools.islice(rows, MANY)):
                index.executemany("INSERT INTO found VALUES (?, ?, ?)", group)
            [(count,)] = index.execute("SELECT count(*) FROM found")
            lowest = f"SELECT * FROM found ORDER BY {ORDER} LIMIT {-1 if limit is None else int(limit)}"
            # Numbered from 1, in the order of shards.
            index.execute("CREATE TABLE photos (number INTEGER PRIMARY KEY, image_id INTEGER, split INTEGER, row TEXT)")
            index.execute(f"INSERT INTO photos (image_id, split, row) SELECT * FROM ({lowest}) ORDER BY split, {ORDER}")
            index.execute("DROP TABLE found")
        return count

    def __len__(self) -> int:
        return sum(map(self.count, SPLITS))

    def __iter__(self) -> Iterator[Photo]:
        """All photographs by their ids, whatever the split."""
        with self._open() as index:
            for image_id, row in index.execute(f"SELECT image_id, row FROM photos ORDER BY {ORDER}"):
                yield _to_photo(image_id, row)

    def count(self, split: str) -> int:
        if split not in self._counts:
            with self._open() as index:
                [(count,)] = index.execute("SELECT count(*) FROM photos WHERE split = ?", [SPLITS.index(split)])
            self._counts[split] = count
        return self._counts[split]

    def photos(self, part: Part) -> Iterator[Photo]:
        """One shard's photographs."""
        first = 1 + part.start + sum(self.count(split) for split in SPLITS[: SPLITS.index(part.split)])
        with self._open() as index:
            rows = index.execute(
                "SELECT image_id, row FROM photos WHERE number BETWEEN ? AND ? ORDER BY number",
                [first, first + part.size - 1],
            ).fetchall()
        return itertools.starmap(_to_photo, rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self.path)) as index, index:
                yield index
        except sqlite3.Error as error:
            raise UserError(
                f"the list of photographs cannot be kept in {pathlib.Path(self.path).parent} ({first_line(error)}); "
                "make room there, or set TMPDIR to another folder."
            ) from None


def _to_text(photo: Photo) -> str:
    # ASCII, since names from elsewhere may hold halves of characters, which UTF-8 has not.
    return json.dumps(photo[1:])


def _to_photo(image_id: int, row: str) -> Photo:
    fields = parse_json(row.encode(), "the list of photographs", "run the same command again")
    member, captions, archive, attributes, name, kind, stamp = fields
    return Photo(image_id, member, tuple(captions), archive, tuple(attributes), name, kind, tuple(stamp))
