"""From the bytes of a photograph to square JPEGs of the sizes that training and CLIP want."""

import io
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from preprocess.shards.decode import BadImage, decode
from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike

JPEG_QUALITY = 95


def largest_square(image: Any) -> Any:
    """Crops the largest centred square from a PIL image."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _square(image, size):
    return largest_square(image).resize((size, size), Image.BICUBIC)


def square_image(data: bytes, size: int) -> Any:
    """An image's bytes as an upright RGB PIL image of size x size pixels, its largest centred square.

    Raises:
        BadImage: see `decode`.
    """
    return _square(decode(data), size)


def square_jpegs(data: bytes, sizes: Sequence[int]) -> dict[int, bytes]:
    """Turns an image's bytes into one square JPEG a size.

    Args:
        data: the file's bytes.
        sizes: sides in pixels.

    Returns:
        {size: bytes}, JPEGs of quality 95 without chroma subsampling, resized with antialiasing: the largest by
        CLIP's own bicubic filter, the others from it.

    Raises:
        BadImage: see `decode`.
    """
    # COCO's usual 640 x 427 px decode at half size to 213, near enough to CLIP's 224, and in half the time.
    square = largest_square(decode(data, smallest=max(sizes) * 15 // 16))
    jpegs: dict[int, bytes] = {}
    for size in sorted(sizes, reverse=True):
        # Each from the one before: a sixth less work in all, and within 39 dB of resizing the photograph for each.
        square = square.resize((size, size), Image.HAMMING if jpegs else Image.BICUBIC)
        buffer = io.BytesIO()
        square.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        jpegs[size] = buffer.getvalue()
    return jpegs


def read_square(path: PathLike, size: int) -> Any:
    """A user's image file as a square `PIL.Image` of `size` px; see `read_image`."""
    return _square(read_image(path), size)


def read_image(path: PathLike) -> Any:
    """A user's image file as an upright RGB `PIL.Image`.

    Raises:
        UserError: it is not there or cannot be used.
    """
    try:
        return decode(pathlib.Path(path).read_bytes())
    except BadImage as error:
        raise UserError(f"{path} cannot be used: {error}; name another image file.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name an image file.") from None


def as_image(image: Any) -> Any:
    """A `PIL.Image` of what encoders are given: a path, a `PIL.Image`, a uint8 array or a float array in [0, 1].

    Raises:
        UserError: see `read_image`.
        ValueError: a float array outside [0, 1].
    """
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, (str, pathlib.Path)):
        return read_image(image)
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        if pixels.min() < 0 or pixels.max() > 1:
            raise ValueError("float images must lie in [0, 1]")
        pixels = np.round(pixels * 255).astype(np.uint8)
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
