"""A photograph of a source, and what every kind of source can do: list its photographs, and open one."""

import abc
import collections
import hashlib
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from preprocess.shards.decode import BadImage
from preprocess.sources.captions import caption_field
from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike

# An id of a data set's own: a number, or a text such as a name.
Key: TypeAlias = int | str
# The least and the greatest number that a record holds.
INT64 = range(-(2**63), 2**63)

# name: what the image is called in records and lists. archive: the file or folder it is in, which a class of
# `preprocess.sources.open.KINDS`, its kind, reads. member: where in it. attributes: a tuple of zeros and ones, empty
# where a data set has none. stamp: what tells its contents from others', such as a checksum.
Photo = collections.namedtuple(
    "Photo", "image_id member captions archive attributes name kind stamp", defaults=[(), "", "zip", ()]
)
# Of rows of one file: ids are in the file's order, since what is read in order is read fast, and 2**24 to a file.
ROWS_BITS = 24


def number_of(key: Key) -> int:
    """The number that a record keeps of an id: itself, or a hash where it is a text or has more than 64 bits."""
    if isinstance(key, int) and key in INT64:
        return key
    return int.from_bytes(hashlib.sha256(str(key).encode(errors="surrogatepass")).digest()[:8], "big") >> 1


# COCO's largest is under 1 MB; a file may claim far less than it unpacks to.
MAX_FILE_SIZE = 200 * 10**6


def check_file_size(size: int) -> None:
    """Raises `BadImage` for an image's file of too many bytes."""
    if size > MAX_FILE_SIZE:
        raise BadImage(f"larger than {MAX_FILE_SIZE // 10**6} MB")


class Archive(abc.ABC):
    """One file or folder of images, of which each can be read."""

    @abc.abstractmethod
    def read(self, member: str) -> bytes:
        """An image's bytes.

        Args:
            member: of a `Photo`.

        Raises:
            BadImage: it cannot be read, by a fault of the image's own.
        """


class Source(Archive):
    """An archive that has its images' captions too.

    Attributes:
        left_out: [(name, reason)] of captions and images that cannot be used, once `photos` has ended.
        bare: the names of images without a caption, then.
        without_field: what to say where no record has captions.
    """

    def __init__(self) -> None:
        self.left_out: list[tuple[str, str]] = []
        self.bare: list[str] = []
        self.without_field: UserError | None = None

    def find_field(self, names: Iterable[str], wanted: str | None, place: PathLike) -> str | None:
        """Which of a record's fields holds captions, see `caption_field`; None, with the reason kept, where none."""
        try:
            return caption_field(names, wanted, place)
        except UserError as error:
            self.without_field = self.without_field or error
            return None

    @abc.abstractmethod
    def photos(self, label: str, caption_field: str | None = None) -> Iterator[Photo]:
        """Lists the photographs that have captions, in an order of the source's own, without their pixels.

        Args:
            label: the source's name, which those of its photographs begin with.
            caption_field: the name of what holds captions, where the source's captions have names; None for the usual.

        Raises:
            UserError: the source cannot be read, or holds none.
        """
