import io

import numpy as np
import pytest
from PIL import Image

from preprocess.shards.images import as_image, largest_square, read_square, square_jpegs
from preprocess.utils.errors import UserError


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


def test_takes_the_centre():
    assert largest_square(gradient(100, 40)).getpixel((0, 0)) == gradient(100, 40).getpixel((30, 0))


def test_resizing_antialiases():
    checkers = np.indices((512, 512)).sum(0) % 2 * 255
    data = encoded(Image.fromarray(checkers.astype(np.uint8)), "PNG")
    small = np.asarray(Image.open(io.BytesIO(square_jpegs(data, (64,))[64])), int)
    assert np.abs(small - 127).max() < 12


def test_a_users_file_is_read_and_a_bad_one_named(tmp_path):
    path = tmp_path / "photo.png"
    gradient(100, 40).save(path)
    assert read_square(path, 32).size == (32, 32)
    assert as_image(str(path)).size == (100, 40)
    path.write_bytes(path.read_bytes()[:-30])
    for read in (as_image, lambda file: read_square(file, 32)):
        with pytest.raises(UserError, match=r"photo.png cannot be used: damaged.*name another"):
            read(path)
    with pytest.raises(UserError, match="nothing.jpg cannot be read"):
        read_square(tmp_path / "nothing.jpg", 32)
