"""The one way in which files are read, a function a format: what is damaged is named, and never a traceback.

Arrays have a module of their own, since command lines need these before they need NumPy.
"""

import contextlib
import csv
import functools
import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from preprocess.utils.errors import UserError, first_line
from preprocess.utils.places import open_place, to_place
from preprocess.utils.types import PathLike

GZIP = b"\x1f\x8b"
# Byte-order marks, the longer ones first.
ENCODINGS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def read_bytes(path: PathLike, remedy: str) -> bytes:
    """What a file holds.

    Args:
        path: the file. remedy: what to do where it cannot be read, for the error.

    Raises:
        UserError: it is not there, a folder, or cannot be read.
    """
    try:
        return to_place(path).read_bytes()
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; {remedy}.") from None
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path} not found; {remedy}.") from None
    except (OSError, ValueError) as error:  # the latter for a name that cannot be
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read ({reason}); {remedy}.") from None


def decode_text(data: bytes, name: PathLike, remedy: str) -> str:
    """Bytes as text: UTF-8, or what a byte-order mark says, as Windows' editors write it.

    Raises:
        UserError: they are none.
    """
    encoding = next((encoding for mark, encoding in ENCODINGS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise UserError(f"{name} is not text; {remedy}.") from None


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: it is empty, or of spaces and of letters without width."""
    return not any(letter.isprintable() and not letter.isspace() for letter in text)


def read_text(path: PathLike, remedy: str) -> str:
    """A text file. Raises a UserError as `read_bytes` and `decode_text` do."""
    return decode_text(read_bytes(path, remedy), path, remedy)


def parse_json(data: bytes, name: PathLike, remedy: str, schema: Any = None, **options: Any) -> Any:
    """What JSON holds.

    Args:
        data: the file's bytes, in any of Unicode's encodings. name: the file, for errors. remedy: see `read_bytes`.
        schema: a type that it must be of, as pydantic takes them, such as a `TypedDict`; None for any.
        **options: for `json.loads`.

    Raises:
        UserError: it is not JSON, or something else than the schema says.
    """
    text = decode_text(data, name, remedy)
    try:
        value = json.loads(text, **options)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if isinstance(error, ValueError) else "too deep"
        raise UserError(f"{name} is damaged, or no JSON ({reason}); {remedy}.") from None
    if schema is not None:
        check_schema(value, schema, name, remedy)
    return value


@functools.cache
def _adapter(schema: Any) -> Any:
    import pydantic

    return pydantic.TypeAdapter(schema)


def check_schema(value: Any, schema: Any, name: PathLike, remedy: str) -> None:
    """Raises a UserError unless a value is of a type; see `parse_json`."""
    import pydantic

    try:
        _adapter(schema).validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise UserError(f"{name} is damaged ({place}: {first['msg'].lower()}); {remedy}.") from None


def read_json(path: PathLike, remedy: str, schema: Any = None, **options: Any) -> Any:
    """A JSON file. Raises a UserError as `read_bytes` and `parse_json` do."""
    return parse_json(read_bytes(path, remedy), path, remedy, schema, **options)


def read_table(path: PathLike, remedy: str, columns: Iterable[str] = ()) -> list[dict[str, str]]:
    """The rows of a CSV file, as its header names them.

    Args:
        path: the file. remedy: see `read_bytes`. columns: that must be there.

    Raises:
        UserError: the file is not there, is no text, lacks a column, or a row has other columns than its header.
    """
    text = read_text(path, remedy)
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise UserError(f"{path} is damaged ({error}); {remedy}.") from None
    names = text.splitlines()[0].split(",") if text else []
    for name in columns:
        if name not in (rows[0] if rows else names):
            raise UserError(f"{path} is damaged (no column {name}); {remedy}.")
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise UserError(f"{path} is damaged (row {number} has other columns than its header); {remedy}.")
    return rows


def read_zip_member(path: PathLike, member: str, remedy: str, most: float = math.inf) -> bytes:
    """A file in a zip, checked by the zip's checksum, of so many bytes at most.

    Raises:
        UserError: the zip cannot be read, or lacks it, or it is larger.
    """
    with _open_zip(path, remedy) as archive:
        if member not in archive.namelist():
            raise UserError(f"{path} holds no {member}; {remedy}.")
        if archive.getinfo(member).file_size > most:
            raise UserError(f"{path} holds a {member} of more than {most:,} bytes; {remedy}.")
        return archive.read(member)


def is_zip(path: PathLike) -> bool:
    """Whether a file is there and is a zip."""
    try:
        with open_place(path) as file:
            return zipfile.is_zipfile(file)
    except (OSError, ValueError):
        return False


def zip_names(path: PathLike, remedy: str) -> list[str]:
    """The names of a zip's files. Raises a UserError where it cannot be read."""
    with _open_zip(path, remedy) as archive:
        return archive.namelist()


@contextlib.contextmanager
def _open_zip(path: PathLike, remedy: str) -> Iterator[zipfile.ZipFile]:
    try:
        with open_place(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except UserError:
        raise
    # A damaged zip makes zipfile and its decompressors raise nearly anything.
    except Exception as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}); {remedy}.") from None


def gunzip(data: bytes, name: PathLike, most: int, remedy: str) -> bytes:
    """Unpacks gzipped bytes, `most` of them and one more at most, so that a small file cannot fill the memory.

    Raises:
        UserError: they are damaged or cut short.
    """
    stream = zlib.decompressobj(wbits=31)
    try:
        found = stream.decompress(data, most + 1)
    except zlib.error as error:
        raise UserError(f"{name} is damaged ({error}); {remedy}.") from None
    if len(found) <= most and not stream.eof:
        raise UserError(f"{name} is cut short; {remedy}.")
    return found


def to_number(text: str) -> float | None:
    """A finite number of a text, None where it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
