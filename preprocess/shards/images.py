"""From the bytes of a photograph to square JPEGs of the sizes that training and CLIP want."""

import io
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike

# As much as a good camera's, 150 MB decoded; far more in one small file is a decompression bomb.
MAX_PIXELS = 50_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MIN_SIDE = 16
JPEG_QUALITY = 95


class BadImage(Exception):
    """An image that cannot be used. The message is the reason that goes into rejected.csv."""


def largest_square(image: Any) -> Any:
    """Crops the largest centred square from a PIL image."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def decode(data: bytes, smallest: int | None = None) -> Any:
    """Decodes an image's bytes into an upright RGB PIL image.

    Args:
        data: the file's bytes, in one of `FORMATS`; greyscale, CMYK, palettes and EXIF rotation are
            converted.
        smallest: a side in pixels that is enough; JPEGs far larger are decoded at a half, a quarter or an eighth of
            their size, by the codec's own exact scaling, which is several times faster.

    Raises:
        BadImage: the bytes are no image, a damaged, tiny or huge one.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(f"too many pixels ({image.width} x {image.height})")
            if min(image.size) < MIN_SIDE:
                raise BadImage(f"too small ({image.width} x {image.height})")
            if smallest:
                image.draft("RGB", (smallest, smallest))
            ImageOps.exif_transpose(image, in_place=True)
            return image if image.mode == "RGB" else image.convert("RGB")
    except BadImage:
        raise
    except Image.DecompressionBombError:
        raise BadImage("too many pixels") from None
    except Image.UnidentifiedImageError:
        raise BadImage("not an image") from None
    # Damaged files make Pillow's decoders raise nearly anything.
    except Exception as error:
        raise BadImage(
            f"cannot be decoded: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from None


def square_image(data: bytes, size: int) -> Any:
    """An image's bytes as an upright RGB PIL image of size x size pixels, its largest centred square.

    Raises:
        BadImage: see `decode`.
    """
    return largest_square(decode(data)).resize((size, size), Image.BICUBIC)


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
    """A user's image file as a square `PIL.Image` of `size` px; see `square_image`.

    Raises:
        UserError: it is not there or cannot be used.
    """
    try:
        return square_image(pathlib.Path(path).read_bytes(), size)
    except BadImage as error:
        raise UserError(f"{path} cannot be used: {error}; name another image file.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name an image file.") from None


def as_image(image: Any) -> Any:
    """A `PIL.Image` of what encoders are given: a path, a `PIL.Image`, a uint8 array or a float array in [0, 1].

    Raises:
        ValueError: a float array outside [0, 1].
    """
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, (str, pathlib.Path)):
        with Image.open(image) as opened:
            opened.load()
        return opened
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        if pixels.min() < 0 or pixels.max() > 1:
            raise ValueError("float images must lie in [0, 1]")
        pixels = np.round(pixels * 255).astype(np.uint8)
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
