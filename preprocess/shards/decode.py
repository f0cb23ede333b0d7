"""The one way from an image file's bytes to pixels: whole, upright, opaque, eight bits."""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from preprocess.utils.errors import first_line

# As much as a good camera's, 150 MB decoded; far more in one small file is a decompression bomb.
MAX_PIXELS = 50_000_000
MIN_SIDE = 16
# A progressive JPEG has about ten; one of 1 MB with 25,000 took 90 seconds.
MAX_SCANS = 100
# Pillow's names of the formats that are read, and the endings that each may have.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
}
ENDINGS = tuple(ending for endings in FORMATS.values() for ending in endings)
# Photographs too, of phones and cameras, that are not read and have to be told rather than passed over.
UNREAD_ENDINGS = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng", ".cr2", ".nef", ".arw")

JPEG_START, PNG_START = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
START_OF_SCAN, END_OF_IMAGE, EXIF_SEGMENT, EXIF_HEADER, ORIENTATION = 0xDA, 0xD9, 0xE1, b"Exif\0\0", 0x0112
# In a scan's own data 0xFF is followed by 0, or by one of eight marks where reading can begin anew.
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Comments and what applications add to a JPEG, but for JFIF's and Adobe's, which tell how colours are stored.
METADATA = (*range(0xE1, 0xEE), 0xEF, 0xFE)
# Of a PNG the chunks that pixels come from; the others, such as texts of any size, are of no interest.
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# A TIFF's tags of how many bits a number has and of what kind it is, and which kind can be negative.
BITS, SAMPLE_FORMAT, SIGNED = 258, 339, 2
# What an EXIF orientation says has to be done to see the picture upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadImage(Exception):
    """An image that cannot be used. The message is the reason that goes into rejected.csv."""


def decode(data: bytes, smallest: int | None = None) -> Any:
    """Decodes an image's bytes into an upright RGB PIL image.

    Transparency is laid on white, 16 and 32 bits are scaled to 8, palettes, greyscale and CMYK are converted; of
    metadata the orientation alone counts, and none that is damaged does harm. Pixels that a decoder warns of are
    damage.

    Args:
        data: the file's bytes, in one of `FORMATS`; of several pictures the first.
        smallest: a side in pixels that is enough; JPEGs far larger are decoded at a half, a quarter or an eighth of
            their size, by the codec's own exact scaling, which is several times faster.

    Raises:
        BadImage: the bytes are no image, a damaged, tiny or huge one.
    """
    try:
        if data.startswith(JPEG_START):
            return _decode_jpeg(data, smallest)
        with warnings.catch_warnings():
            # Of metadata, of large pictures, and of what Pillow itself will change.
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", ".*[Tt]runcated")
            return _decode_png(data) if data.startswith(PNG_START) else _decode_other(data)
    except (BadImage, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise BadImage("too many pixels") from None
    except Image.UnidentifiedImageError:
        raise BadImage("empty" if not data else f"not an image of a kind that is read: {', '.join(FORMATS)}") from None
    # Damaged files make decoders raise nearly anything.
    except Exception as error:
        raise BadImage(f"damaged: {first_line(error)}") from None


def _check_size(width, height):
    if width * height > MAX_PIXELS:
        raise BadImage(f"too many pixels ({width} x {height})")
    if min(width, height) < MIN_SIDE:
        raise BadImage(f"too small ({width} x {height})")


def _decode_jpeg(data, smallest):
    # Not by Pillow, which keeps libjpeg's warnings to itself, and with them every second damaged picture.
    data, exif = _without_metadata(data)
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    _check_size(width, height)
    if _count_scans(data) > MAX_SCANS:
        raise BadImage(f"more than {MAX_SCANS} scans")
    if colours in ("CMYK", "YCCK"):
        # Inverted, as Adobe's programs write it and every reader takes it.
        inverted = 255 - simplejpeg.decode_jpeg(data, "CMYK")
        image = Image.frombytes("CMYK", (inverted.shape[1], inverted.shape[0]), inverted.tobytes()).convert("RGB")
    else:
        factor = next((part for part in (8, 4, 2) if smallest and min(width, height) >= part * smallest), 1)
        least = {"min_height": -(-height // factor), "min_width": -(-width // factor), "min_factor": float(factor)}
        image = Image.fromarray(simplejpeg.decode_jpeg(data, "RGB", **(least if factor > 1 else {})))
    return _upright(image, exif)


def _count_scans(data: bytes) -> int:
    """A JPEG's scans, `MAX_SCANS` + 1 at most; what stands behind its end, such as a video, is none of it."""
    place, scans = len(JPEG_START), 0
    while scans <= MAX_SCANS and (marker := MARKER.search(data, place)):
        if data[marker.end() - 1] == END_OF_IMAGE:
            break
        scans += data[marker.end() - 1] == START_OF_SCAN
        place = marker.end() + max(2, int.from_bytes(data[marker.end() : marker.end() + 2], "big"))
    return scans


def _without_metadata(data: bytes) -> tuple[bytes, bytes]:
    """A JPEG without what it holds besides pixels, of which decoders warn too; and its EXIF data."""
    place, kept, exif = 2, [JPEG_START], b""
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != START_OF_SCAN:
        if data[place + 1] == 0xFF:  # padding
            place += 1
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if data[place + 1] not in METADATA:
            kept.append(data[place:end])
        elif data[place + 1] == EXIF_SEGMENT and data[place + 4 :].startswith(EXIF_HEADER):
            exif = exif or data[place + 4 : end]
        place = end
    return b"".join([*kept, data[place:]]), exif


def _decode_png(data):
    exif, parts = b"", [PNG_START]
    for kind, content, chunk in _png_chunks(data):
        if kind in PIXEL_CHUNKS:
            if zlib.crc32(kind + content) != int.from_bytes(chunk[-4:], "big"):
                raise BadImage(f"damaged: the checksum of {kind.decode()} is wrong")
            parts.append(chunk)
        elif kind == b"eXIf":
            exif = content
    image = Image.open(io.BytesIO(b"".join(parts)), formats=("PNG",))
    _check_size(*image.size)
    return _upright(_to_rgb(image), exif)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """A PNG's chunks to its end: (kind, content, the whole chunk)."""
    place, kind = len(PNG_START), b""
    while kind != b"IEND":
        header = data[place : place + 8]
        length = struct.unpack(">I", header[:4])[0] if len(header) == 8 else len(data)
        chunk, kind = data[place : place + 12 + length], header[4:]
        if len(chunk) < 12 + length:
            raise BadImage("damaged: cut short")
        yield kind, chunk[8:-4], chunk
        place += len(chunk)


def _decode_other(data):
    image = Image.open(io.BytesIO(data), formats=[name for name in FORMATS if name not in ("JPEG", "PNG")])
    _check_size(*image.size)
    if image.format == "TIFF":
        # Pillow turns these itself, when they are loaded.
        return _to_rgb(image)
    return _upright(_to_rgb(image), image.info.get("exif", b""))


def _to_rgb(image):
    if image.mode[0] in "IF":
        image = _to_eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image.load()
    return image.convert("RGB")


def _to_eight_bits(image):
    """Grey of 16 or 32 bits, or of floats, as eight bits: the numbers' size says what is white."""
    pixels = np.asarray(image)
    if not np.isfinite(pixels).all():
        raise BadImage("damaged: not all numbers are finite")
    if pixels.dtype.kind == "f":
        white = next((limit for limit in (1, 255, 65535) if pixels.max() <= limit), pixels.max())
        return Image.fromarray(np.uint8(np.clip(pixels, 0, white) * (255 / white) + 0.5))
    if image.mode == "I" and pixels.min() >= 0 and pixels.max() < 256:
        # Eight bits that a program kept in 32.
        return Image.fromarray(np.uint8(pixels))
    tags = getattr(image, "tag_v2", {})
    # Half of a signed type's numbers are below black; but Pillow itself calls all 32 bits signed, those without a sign
    # and 16 in 32 too.
    signed = tags.get(BITS) == (16,) or (pixels.max() >= 2**16 and pixels.min() >= 0)
    if signed and SIGNED in tags.get(SAMPLE_FORMAT, ()):
        pixels = 2 * np.maximum(pixels, 0).astype(np.int64)
    # Pillow takes all 32 bits for signed.
    pixels = pixels.astype(np.uint32)
    return Image.fromarray(np.uint8(pixels >> (8 if pixels.max() < 2**16 else 24)))


def _upright(image, exif):
    """The image turned as EXIF data say, if they say anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = Image.Exif()
            found.load(exif)
            turn = TURNS.get(found.get(ORIENTATION))
    # Damaged metadata raise nearly anything, and cost no picture.
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)
