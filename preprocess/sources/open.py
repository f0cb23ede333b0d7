"""Opens a photograph of any source, and resizes it."""

import errno
import functools
import time
from collections.abc import Sequence
from typing import Any

from preprocess.shards.decode import BadImage
from preprocess.shards.images import square_jpegs
from preprocess.sources.folder import FolderSource
from preprocess.sources.parquet import ParquetSource
from preprocess.sources.photo import Archive, Photo
from preprocess.sources.webdataset import TarSource
from preprocess.sources.zips import ZipArchive
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.places import is_remote

# Before a read of another machine's file is tried again: one in a million fails.
PAUSES_S = (1, 10)
KINDS: dict[str, Any] = {"zip": ZipArchive, "folder": FolderSource, "tar": TarSource, "parquet": ParquetSource}


# Of one file and the next in a worker process: photographs come in the order of their files.
@functools.lru_cache(maxsize=2)
def open_source(kind: str, archive: str) -> Archive:
    """The archive of some photographs, opened once in a process."""
    return KINDS[kind](archive)


def prepare(photo: Photo, sizes: Sequence[int]) -> tuple[dict[int, bytes] | None, str | None]:
    """Reads and resizes one photograph. Returns ({size: JPEG bytes}, None) or (None, the reason it was rejected).

    Raises:
        UserError: another machine's file cannot be read any more.
    """
    try:
        return square_jpegs(_read(photo), sizes), None
    except BadImage as error:
        return None, str(error)


def _read(photo):
    for pause in PAUSES_S if is_remote(photo.archive) else ():
        try:
            return _read_once(photo)
        except UserError:
            time.sleep(pause)
    return _read_once(photo)


def _read_once(photo):
    try:
        source = open_source(photo.kind, photo.archive)
    except (UserError, MemoryError, OSError):
        raise
    # What the listing could open has been changed or damaged since.
    except Exception as error:
        raise _unreadable(photo, error) from None
    try:
        return source.read(photo.member)
    except (BadImage, MemoryError, UserError):
        raise
    except Exception as error:
        # Of networks, not of images.
        if is_remote(photo.archive):
            raise _unreadable(photo, error) from None
        # What the system refuses, but for a place before the file's beginning, is not the image's fault either, and is
        # tried again.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise BadImage(f"cannot be read: {first_line(error)}") from None


def _unreadable(photo, error):
    return UserError(
        f"{photo.archive} cannot be read any more ({first_line(error)}); run the same command again to go on."
    )
