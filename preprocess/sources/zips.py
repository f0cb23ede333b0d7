"""A zip of images: its directory, and its images one by one, without unzipping it."""

import pathlib
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

from preprocess.shards.decode import ENDINGS, UNREAD_ENDINGS, BadImage
from preprocess.sources.photo import Archive, check_file_size
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.places import is_file, open_place, to_place
from preprocess.utils.types import PathLike

ENCRYPTED, IN_UTF8 = 0x1, 0x800
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
# The record at a zip's end, and how far from the end it begins at most.
END, END_SIZE, END_COMMENT = b"PK\x05\x06", 22, 65_535
# What macOS puts beside each file.
RESOURCES = ("__MACOSX/", "._")


def list_images(zip_path: PathLike, wanted: str) -> dict[str, zipfile.ZipInfo]:
    """Reads a zip's central directory.

    Args:
        zip_path: the archive.
        wanted: what it should be, for errors, such as "COCO's train2017.zip".

    Returns:
        {path in the zip: `zipfile.ZipInfo`} of its images.

    Raises:
        UserError: the zip is missing, truncated, no zip, encrypted, holds no images, or two of one name.
    """
    path = to_place(zip_path)
    try:
        # A file first: whether an address is a folder takes all that is there.
        if not is_file(path) and path.is_dir():
            raise UserError(
                f"{path} is a folder; give --zip an archive, such as {path / wanted.split()[-1]}, or the folder's own "
                "images by --images."
            )
        if not is_file(path):
            raise UserError(f"{path} not found; give --zip the path of {wanted}.")
        with open_place(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            whole = len(members) % 2**16 == _stated_count(file)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); put that right.") from None
    # A damaged directory makes zipfile raise nearly anything.
    except Exception as error:
        raise UserError(f"{path} is not a zip or is cut short ({error}); download it again.") from None
    if not whole:
        raise UserError(f"{path} is damaged: its directory lacks some of its files; download it again.")
    images = [info for info in members if _is_image(info)]
    if not images:
        raise UserError(f"{path} holds no {', '.join(ENDINGS[:3])} or other images; give --zip {wanted}.")
    if any(info.flag_bits & ENCRYPTED for info in images):
        raise UserError(f"{path} is encrypted; unpack it with its password and zip it again without one.")
    if any(info.compress_type not in PACKED for info in images):
        raise UserError(f"{path} is packed in a way that is not read here; zip it again by deflate, the usual one.")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in images:
        same = found.setdefault(_name_of(info), info)
        if (same.CRC, same.file_size) != (info.CRC, info.file_size):
            raise UserError(f"{path} holds two images named {info.filename}; rename one of them.")
    return found


def _stated_count(file: Any) -> int:
    """How many files a zip's last record says there are; modulo 65,536 where there are more."""
    size = file.seek(0, 2)
    file.seek(max(0, size - END_SIZE - END_COMMENT))
    tail = file.read()
    [count] = struct.unpack_from("<H", tail, tail.rindex(END) + 10)
    zip64 = tail.rfind(b"PK\x06\x06")
    if count == 0xFFFF and zip64 >= 0:
        [count] = struct.unpack_from("<Q", tail, zip64 + 32)
    return count % 2**16


def _name_of(info: zipfile.ZipInfo) -> str:
    """A member's path; some programs write UTF-8 and do not say so."""
    return (_in_utf8(info) or info.filename).replace("\\", "/")


def _in_utf8(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & IN_UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return None


def names_of_others(zip_path: PathLike, names: Sequence[str]) -> set[str]:
    """Those of some names, with folders or without, that files in a zip have which are not taken for images."""
    if not names:
        return set()
    with open_place(zip_path) as file, zipfile.ZipFile(file) as archive:
        files = [info for info in archive.infolist() if not info.is_dir() and not _is_image(info)]
    others = {pathlib.PurePosixPath(_name_of(info)).name for info in files}
    return {name for name in names if pathlib.PurePosixPath(name).name in others}


def has_unclear_names(images: dict[str, zipfile.ZipInfo]) -> bool:
    """Whether a zip has names in an encoding that it does not tell, as some programs write that are not in English."""
    return any(_in_utf8(info) is None for info in images.values())


def _is_image(info: zipfile.ZipInfo) -> bool:
    name = info.filename
    extra = name.startswith(RESOURCES[0]) or pathlib.PurePosixPath(name).name.startswith(RESOURCES[1])
    return not info.is_dir() and not extra and name.lower().endswith(ENDINGS + UNREAD_ENDINGS)


class ZipArchive(Archive):
    """Images in a zip; which of them there are, and their captions, its data set's own file says."""

    def __init__(self, archive: PathLike) -> None:
        self.archive = zipfile.ZipFile(open_place(archive))

    def read(self, member: str) -> bytes:
        # zipfile stops at what a member claims.
        check_file_size(self.archive.getinfo(member).file_size)
        try:
            return self.archive.read(member)
        # What a damaged member makes zipfile and its decompressors raise, for the most part.
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise BadImage(f"cannot be read from the zip: {first_line(error)}") from None
