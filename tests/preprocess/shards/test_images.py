import io

import numpy as np
import pytest
from PIL import Image

from preprocess.shards.images import BadImage, decode, largest_square, square_jpegs


def encoded(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def gradient(width, height, mode="RGB"):
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("size", [(64, 48), (300, 500), (1200, 900)])
def test_every_mode_and_shape_becomes_square_rgb(mode, size):
    jpegs = square_jpegs(encoded(gradient(*size, mode)), (64, 128))
    for side, data in jpegs.items():
        image = Image.open(io.BytesIO(data))
        assert (image.size, image.mode, image.format) == ((side, side), "RGB", "JPEG")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "GIF"])
def test_other_formats_and_palettes_are_read(kind):
    image = decode(encoded(gradient(40, 40), kind))
    assert image.mode == "RGB"
    assert np.abs(np.asarray(image, int) - np.asarray(gradient(40, 40), int)).mean() < 12


def test_takes_the_centre():
    assert largest_square(gradient(100, 40)).getpixel((0, 0)) == gradient(100, 40).getpixel((30, 0))


def test_honours_exif_orientation():
    upright = gradient(80, 60)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    turned = encoded(upright.transpose(Image.Transpose.ROTATE_90), quality=95, exif=exif)
    assert np.abs(np.asarray(decode(turned), int) - np.asarray(upright, int)).mean() < 3


def test_resizing_antialiases():
    checkers = np.indices((512, 512)).sum(0) % 2 * 255
    data = encoded(Image.fromarray(checkers.astype(np.uint8)), "PNG")
    small = np.asarray(Image.open(io.BytesIO(square_jpegs(data, (64,))[64])), int)
    assert np.abs(small - 127).max() < 12


def test_faster_decoding_of_large_jpegs_looks_the_same():
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 255, (9, 12, 3), np.uint8)).resize((1280, 960), Image.BICUBIC)
    data = encoded(photo, quality=95)
    fast = np.asarray(Image.open(io.BytesIO(square_jpegs(data, (128,))[128])), int)
    plain = np.asarray(largest_square(photo).resize((128, 128), Image.BICUBIC), int)
    assert np.abs(fast - plain).mean() < 1.5


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a text named .jpg", "not an image"),
        (b"", "not an image"),
        (encoded(gradient(1, 1), "PNG"), "too small"),
        (encoded(gradient(200, 200))[:1500], "cannot be decoded"),
    ],
)
def test_bad_images_give_a_reason(data, reason):
    with pytest.raises(BadImage, match=reason):
        square_jpegs(data, (64,))


def test_a_decompression_bomb_is_refused_before_it_is_decoded():
    bomb = encoded(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(bomb) < 1_000_000
    with pytest.raises(BadImage, match="too many pixels"):
        square_jpegs(bomb, (64,))
