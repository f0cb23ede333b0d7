import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from preprocess.shards.decode import ENDINGS, FORMATS, MAX_SCANS, TURNS, BadImage, decode

SIDE = 48


def encoded(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(width=64, height=SIDE):
    """Red grows to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(pixels)


def ramp(dtype, largest):
    """Grey from 0 to a number, from left to right."""
    return Image.fromarray(np.tile(np.linspace(0, largest, 64), (SIDE, 1)).astype(dtype))


def difference(data, expected):
    found = decode(data)
    assert found.mode == "RGB" and found.size == expected.size
    return np.abs(np.asarray(found, int) - np.asarray(expected.convert("RGB"), int)).mean()


MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "L", "P", "1", "LA", "RGBA"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("RGB", "L", "P"),
    "BMP": ("RGB", "L", "P", "1"),
    "TIFF": ("RGB", "L", "P", "1", "CMYK", "LA", "RGBA"),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes])
def test_every_format_and_mode(kind, mode):
    image = picture().convert(mode)
    # Palettes of the web's 216 colours, dithering and lossy codecs.
    assert difference(encoded(image, kind), image) < (12 if kind == "GIF" or mode == "P" else 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture()
    if orientation in TURNS:
        # What has to be turned so to be upright.
        back = {6: 8, 8: 6}.get(orientation, orientation)
        stored = stored.transpose(TURNS[back])
    assert difference(encoded(stored, kind, exif=exif), picture()) < 4


@pytest.mark.parametrize(
    ("kind", "image"),
    [
        ("PNG", ramp(np.uint16, 65535)),
        ("TIFF", ramp(np.uint16, 65535)),
        ("TIFF", ramp(np.int32, 65535)),
        ("TIFF", ramp(np.uint32, 2**32 - 1)),
        ("TIFF", ramp(np.int32, 2**31 - 1)),
        ("TIFF", ramp(np.float32, 1)),
        ("TIFF", ramp(np.float32, 255)),
        ("TIFF", ramp(np.float32, 65535)),
        ("TIFF", ramp(np.float32, 1e6)),
    ],
)
def test_deep_grey_is_scaled(kind, image):
    assert difference(encoded(image, kind), ramp(np.uint8, 255)) < 1


def test_numbers_that_are_none_are_damage():
    pixels = np.full((SIDE, SIDE), np.nan, np.float32)
    with pytest.raises(BadImage, match="finite"):
        decode(encoded(Image.fromarray(pixels), "TIFF"))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_transparency_is_laid_on_white(kind):
    image = Image.new("RGBA", (SIDE, SIDE), (255, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, SIDE, SIDE // 2))
    pixels = np.asarray(decode(encoded(image, kind)), int)
    assert np.abs(pixels[: SIDE // 2 - 2] - 255).max() < 8
    assert np.abs(pixels[SIDE // 2 + 2 :] - (255, 0, 0)).max() < 8


def with_segments(jpeg, *segments):
    added = b"".join(b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments)
    return jpeg[:2] + added + jpeg[2:]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(png, *chunks):
    end_of_header = 8 + 25
    return png[:end_of_header] + b"".join(chunks) + png[end_of_header:]


BOMB = zlib.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    "data",
    [
        with_segments(encoded(picture(), quality=95), (0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
        with_segments(encoded(picture(), quality=95), (0xE1, b"Exif\0\0" + bytes(40))),
        with_segments(encoded(picture(), quality=95), (0xE2, b"ICC_PROFILE\0\x09\x01bad"), (0xED, b"Photoshop 3.0\0x")),
        with_segments(encoded(picture(), quality=95), (0xE2, b"MPF\0damaged")),
        with_chunks(encoded(picture(), "PNG"), chunk(b"zTXt", b"key\0\0" + BOMB)),
        with_chunks(encoded(picture(), "PNG"), chunk(b"tEXt", b"key\0" + b"text" * 1_000_000)),
        with_chunks(encoded(picture(), "PNG"), chunk(b"iCCP", b"damaged"), chunk(b"gAMA", b""), chunk(b"eXIf", b"II")),
        with_chunks(encoded(picture(), "PNG"), struct.pack(">I", 3) + b"tIMExyzBAD!"),
    ],
)  # fmt: skip
def test_damaged_or_huge_metadata_cost_no_picture(data):
    assert difference(data, picture()) < 3


def test_damage_that_libjpeg_only_warns_of_is_found():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (96, 96, 3), np.uint8))
    whole = encoded(noise, quality=80)
    decode(whole)
    refused = []
    for cut in rng.integers(len(whole) // 2, len(whole) - 10, 20):
        with pytest.raises(BadImage, match="damaged") as caught:
            decode(whole[:cut] + b"\xff\xd9")
        refused.append(str(caught.value))
    assert len(refused) == 20


def test_what_stands_behind_a_jpegs_end_is_none_of_it():
    """Phones keep a video there."""
    assert difference(encoded(picture(), quality=95) + b"\xff\xda\xff\xd8" * 1000, picture()) < 3


def test_metadata_of_a_tiff_that_pillow_warns_of_cost_no_picture():
    data = bytearray(encoded(picture(), "TIFF"))
    tag = data.index(struct.pack("<HHI", 277, 3, 1))
    data[tag : tag + 8] = struct.pack("<HHI", 277, 3, 2)
    data[tag + 8 : tag + 12] = struct.pack("<HH", 3, 0)
    with pytest.warns(UserWarning, match="277"):
        Image.open(io.BytesIO(bytes(data))).load()
    decode(bytes(data))


def test_memory_that_runs_out_is_not_the_pictures_fault(monkeypatch):
    def run_out(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("simplejpeg.decode_jpeg", run_out)
    with pytest.raises(MemoryError):
        decode(encoded(picture()))


def test_a_changed_byte_of_a_png_is_found():
    whole = encoded(picture(), "PNG")
    place = whole.index(b"IDAT") + 20
    with pytest.raises(BadImage, match="checksum of IDAT"):
        decode(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_short_is_refused(kind):
    whole = encoded(picture(), kind)
    with pytest.raises(BadImage):
        decode(whole[: len(whole) * 2 // 3])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a text named .jpg", "not an image"),
        (b"", "empty"),
        (encoded(picture(10, 10), "PNG"), "too small"),
        (encoded(picture(10, 10)), "too small"),
        (encoded(Image.new("1", (30_000, 30_000)), "PNG"), "too many pixels"),
        (encoded(Image.new("1", (30_000, 30_000)), "TIFF", compression="group4"), "too many pixels"),
    ],
)
def test_bad_images_give_a_reason(data, reason):
    with pytest.raises(BadImage, match=reason):
        decode(data)


def test_a_jpeg_of_very_many_scans_is_refused_before_it_is_decoded():
    whole = encoded(picture(), progressive=True)
    decode(whole)
    last = whole.rindex(b"\xff\xda")
    with pytest.raises(BadImage, match="more than 100 scans"):
        decode(whole[:-2] + whole[last:-2] * MAX_SCANS + whole[-2:])


def test_faster_decoding_of_large_jpegs_looks_the_same():
    rng = np.random.default_rng(0)
    photograph = Image.fromarray(rng.integers(0, 255, (9, 12, 3), np.uint8)).resize((1280, 960), Image.BICUBIC)
    small = decode(encoded(photograph, quality=95), smallest=120)
    assert small.size == (160, 120)
    plain = photograph.resize((160, 120), Image.BOX)
    assert np.abs(np.asarray(small, int) - np.asarray(plain, int)).mean() < 1.5


def test_the_endings_are_those_that_pillow_knows():
    Image.init()
    known = {ending for ending, kind in Image.registered_extensions().items() if kind in {*FORMATS, "MPO"}}
    assert known <= set(ENDINGS)


def test_eight_bits_kept_in_32_are_eight_bits():
    data = encoded(Image.fromarray(np.arange(64 * 64, dtype=np.int32).reshape(64, 64) % 256), "TIFF")
    assert np.asarray(decode(data)).max() == 255
