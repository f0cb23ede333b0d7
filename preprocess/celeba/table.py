"""CelebA's table of attributes: as it is distributed, or as CSV from elsewhere."""

import csv
from collections.abc import Iterator, Sequence

from preprocess.celeba.attributes import ATTRIBUTES
from preprocess.shards.decode import ENDINGS
from preprocess.utils.errors import UserError, counted
from preprocess.utils.load import read_text, to_number
from preprocess.utils.types import PathLike

REMEDY = "give --attributes list_attr_celeba.txt or the CSV"
# How the values are written; others are taken for numbers.
KNOWN = {"1": 1, "-1": 0, "0": 0, "true": 1, "false": 0}


def read_attributes(path: PathLike) -> dict[str, tuple[int, ...]]:
    """Reads list_attr_celeba.txt, or the same table as CSV.

    Args:
        path: a file with a header of the 40 names in any order, after a line with the number of rows or not, and then
            rows of a file name and 40 values: -1, 0 or False, and 1 or True. Where the header names the column of file
            names, it and further columns may stand anywhere.

    Returns:
        {file name: a tuple of 40 zeros and ones, in the order of `ATTRIBUTES`}, in the order of the rows.

    Raises:
        UserError: no such file, another header, or a row that is not one.
    """
    lines = list(_lines(read_text(path, REMEDY), path))
    # The distributed file begins with the number of rows.
    stated = None
    if lines and len(lines[0][1]) == 1 and lines[0][1][0].isascii() and lines[0][1][0].isdecimal():
        stated = int(lines.pop(0)[1][0][:18])
    if not lines:
        raise UserError(f"{path} is empty; {REMEDY}.")
    header = lines.pop(0)[1]
    if not lines:
        raise UserError(f"{path} has no rows after its header; {REMEDY}.")
    name_place, places, width = _places(path, header, lines[0][1])
    rows: dict[str, tuple[int, ...]] = {}
    for number, values in lines:
        if len(values) != width:
            raise UserError(f"{path} has {len(values)} values in line {number}, not {width}; {REMEDY}.")
        name = values[name_place]
        if name in rows:
            raise UserError(f"{path} has two rows for {name}, the second in line {number}; keep one of them.")
        rows[name] = tuple(_value(path, number, values[place]) for place in places)
    if stated not in (None, len(rows)):
        raise UserError(f"{path} says that it has {stated} rows and has {len(rows)}; download it again.")
    return rows


def _lines(text: str, path: PathLike) -> Iterator[tuple[int, list[str]]]:
    """(number, values) of the lines that are not empty."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    # The number of rows, which may come first, says nothing of what separates the others' values.
    sample = "".join(line for _, line in lines[:2])
    separator = next((mark for mark in (",", ";", "\t") if sample.count(mark) >= len(ATTRIBUTES) - 1), None)
    for number, line in lines:
        if separator is None:
            yield number, line.split()
            continue
        try:
            yield number, [value.strip() for value in next(csv.reader([line], delimiter=separator))]
        except csv.Error as error:
            raise UserError(f"{path} has a damaged line {number} ({error}); {REMEDY}.") from None


def _places(path: PathLike, header: Sequence[str], row: Sequence[str]) -> tuple[int, list[int], int]:
    """Where in a row its file's name is and its attributes are, and how many values it has."""
    if not set(header) & set(ATTRIBUTES):
        raise UserError(f"{path} has no header with CelebA's attributes; {REMEDY}.")
    if missing := [name for name in ATTRIBUTES if name not in header]:
        raise UserError(f"{path} lacks {counted(len(missing), 'column')}: {', '.join(missing)}; {REMEDY}.")
    if twice := [name for name in ATTRIBUTES if header.count(name) > 1]:
        raise UserError(f"{path} has the column {twice[0]} twice; keep one of them.")
    # The distributed header does not name the column of file names, which comes first.
    names = ["", *header] if len(row) == len(header) + 1 else list(header)
    others = [place for place, name in enumerate(names) if name not in ATTRIBUTES]
    named = [place for place in others if place < len(row) and row[place].lower().endswith(ENDINGS)]
    if len(named) != 1:
        found = " and ".join(names[place] or "the first" for place in named) or "none"
        raise UserError(f"{path} must have one column of image files' names, and has {found}; {REMEDY}.")
    return named[0], [names.index(name) for name in ATTRIBUTES], len(names)


def _value(path: PathLike, number: int, text: str) -> int:
    known = KNOWN.get(text.lower())
    if known is None and to_number(text) in (-1, 0, 1):
        known = int(to_number(text) == 1)
    if known is not None:
        return known
    raise UserError(f"{path} has the value '{text[:40]}' in line {number}; attributes are -1, 0 or 1.")
