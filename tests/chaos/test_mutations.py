"""Files with a few changed, lost or added bytes: refused by a sentence, or read; never a traceback or a hang.

`python -m tests.chaos.test_mutations 10000` prints, for each format, how many were refused, accepted and equal to the
file as it was, and accepted and different.
"""

import collections
import contextlib
import io
import json
import pathlib
import re
import signal
import struct
import sys
import tempfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from preprocess.coco.captions import read_captions
from preprocess.mnist import IMAGES_MAGIC, read_idx
from preprocess.shards.decode import BadImage, decode
from preprocess.shards.records import add_embeddings, captions_of, embeddings_of, encode, image_of, read_shard
from preprocess.sources.open import open_source, prepare
from preprocess.sources.photo import Photo
from preprocess.sources.zips import list_images
from preprocess.utils.errors import UserError
from preprocess.utils.folders import MANIFEST, read_manifest
from preprocess.utils.load_arrays import read_arrays
from preprocess.utils.quiet import import_keras

# Seconds and bytes that one file may cost.
SECONDS, MEMORY = 10, 10**9
# Whose content nothing checks: changed numbers that still make sense are read as what they say.
UNCHECKED = ("JPEG", "captions", "manifest", "IDX")
# Of a quick test; the slow one has a hundred times as many.
QUICK = 13


def mutate(data, rng):
    """A few of what happens to files: bytes changed, cut off, lost, doubled, zeroed or put elsewhere."""
    data = bytearray(data)
    kind = rng.integers(7)
    place, length = int(rng.integers(len(data))), int(rng.integers(1, 1 + min(64, len(data))))
    if kind == 0:
        for index in rng.integers(0, len(data), rng.integers(1, 9)):
            data[index] = rng.integers(256)
    elif kind == 1:
        del data[place:]
    elif kind == 2:
        del data[place : place + length]
    elif kind == 3:
        data[place:place] = data[place : place + length]
    elif kind == 4:
        data[place : place + length] = bytes(len(data[place : place + length]))
    elif kind == 5:
        data[place : place + 4] = rng.bytes(4)
    else:
        data += rng.bytes(length)
    return bytes(data)


def photograph(kind):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (9, 9, 3), np.uint8)).resize((80, 80), Image.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def read_image(data, folder):
    try:
        return np.asarray(decode(data)).tobytes()
    except BadImage as error:
        raise UserError(str(error)) from None


def make_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for number in range(3):
            written.writestr(f"train2017/{number}.jpg", photograph("JPEG"))
    return buffer.getvalue()


def read_zip(data, folder):
    path = folder / "x.zip"
    path.write_bytes(data)
    found = []
    for name, info in list_images(path, "train2017.zip").items():
        # An open archive is kept by its path.
        open_source.cache_clear()
        jpegs, reason = prepare(Photo(1, info.filename, (), str(path)), (64,))
        if reason:
            raise UserError(reason)
        found.append((name, jpegs))
    return repr(found)


def make_json():
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(5)]
    annotations = [{"id": number, "image_id": number, "caption": f"cow {number}"} for number in range(5)]
    return json.dumps({"images": images, "annotations": annotations}).encode()


def read_json_file(data, folder):
    (folder / "captions.json").write_bytes(data)
    return repr(read_captions(folder / "captions.json"))


def make_manifest():
    shards = {"train-00000.tfrecord": {"count": 3, "bytes": 99}}
    settings = {"sizes": [64], "theme": "small"}
    return json.dumps({"schema_version": 2, "complete": True, "settings": settings, "shards": shards}).encode()


def read_manifest_file(data, folder):
    (folder / MANIFEST).write_bytes(data)
    return repr(read_manifest(folder, "the command"))


def make_idx():
    return struct.pack(">4I", IMAGES_MAGIC, 3, 28, 28) + np.random.default_rng(0).bytes(3 * 784)


def read_idx_file(data, folder):
    (folder / "train-images-idx3-ubyte").write_bytes(data)
    return read_idx(folder, "train-images-idx3-ubyte", IMAGES_MAGIC).tobytes()


def make_shard():
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "x.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for number in range(3):
                record = tf.train.Example.FromString(encode(number, "a.jpg", ("a cow",), {64: photograph("JPEG")}))
                writer.write(add_embeddings(record, np.ones(4, np.float32), np.ones((1, 4), np.float32)))
        return pathlib.Path(path).read_bytes()


def read_shard_file(data, folder):
    (folder / "x.tfrecord").write_bytes(data)
    records = read_shard(folder / "x.tfrecord")
    return repr([(captions_of(x), embeddings_of(x), image_of(x, 64).tobytes()) for x in records])


def make_arrays():
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(300, dtype=np.float32), names=np.array(["a", "b"]))
    return buffer.getvalue()


def read_arrays_file(data, folder):
    (folder / "x.npz").write_bytes(data)
    found = read_arrays(folder / "x.npz", {"x": 1, "names": 1}, "make it again")
    return repr([(found[name].tobytes(), found[name].shape) for name in ("x", "names")])


def make_keras():
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "x.keras"
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(path)
        return path.read_bytes()


def read_keras(data, folder):
    from cvae.keras_files import load_keras

    (folder / "x.keras").write_bytes(data)
    return repr([np.asarray(weight).tobytes() for weight in load_keras(folder / "x.keras").weights])


FORMATS = {
    "JPEG": (lambda: photograph("JPEG"), read_image, 4),
    "PNG": (lambda: photograph("PNG"), read_image, 2),
    "zip": (make_zip, read_zip, 1),
    "captions": (make_json, read_json_file, 1),
    "manifest": (make_manifest, read_manifest_file, 1),
    "IDX": (make_idx, read_idx_file, 1),
    "shard": (make_shard, read_shard_file, 0.3),
    "npz": (make_arrays, read_arrays_file, 1),
    "keras": (make_keras, read_keras, 0.1),
}


class TooLong(BaseException):
    """No Exception, which readers take for damage."""


def resident(kind):
    """Bytes of this process's memory, "VmRSS" now or "VmHWM" at most; 0 where a system does not say."""
    try:
        status = pathlib.Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return 1024 * int(re.search(rf"{kind}:\s+(\d+)", status).group(1))


def forget_peak():
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")


def try_mutants(name, count, seed=0):
    """{"refused", "equal", "different": how many} of a format's mutants."""
    make, read, _ = FORMATS[name]
    whole, rng = make(), np.random.default_rng([seed, len(name)])
    found = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        expected = read(whole, folder)
        forget_peak()
        before = resident("VmRSS")
        for _ in range(count):
            mutant = mutate(whole, rng)
            signal.alarm(SECONDS)
            try:
                found["equal" if read(mutant, folder) == expected else "different"] += 1
            except UserError:
                found["refused"] += 1
            finally:
                signal.alarm(0)
    assert resident("VmHWM") - before < MEMORY, name
    assert name in UNCHECKED or not found["different"], found
    return found


@pytest.fixture(autouse=True)
def _limits():
    def too_long(number, frame):
        raise TooLong(f"longer than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, too_long)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", FORMATS)
def test_a_few_mutants_of_each_format(name):
    assert try_mutants(name, QUICK)["refused"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_ten_thousand_mutants(name):
    count = round(10_000 * FORMATS[name][2] / sum(share for *_, share in FORMATS.values()))
    found = try_mutants(name, count, seed=1)
    print(name, dict(found))
    assert found["refused"] > count / 2


def test_no_truncated_photograph_is_kept():
    rng = np.random.default_rng(0)
    for kind in ("JPEG", "PNG"):
        whole = photograph(kind)
        ends = {"JPEG": b"\xff\xd9", "PNG": b"\0\0\0\0IEND\xaeB`\x82"}[kind]
        for cut in rng.integers(len(whole) // 3, len(whole) - len(ends) - 20, 100):
            for data in (whole[:cut], whole[:cut] + ends):
                with pytest.raises(BadImage):
                    decode(data)


if __name__ == "__main__":
    import_keras()
    signal.signal(signal.SIGALRM, lambda number, frame: sys.exit("a hang"))
    total = int(sys.argv[1])
    print("| format | tried | refused | equal | different |\n|---|---|---|---|---|")
    for format_name, (*_, part) in FORMATS.items():
        tried = round(total * part / sum(share for *_, share in FORMATS.values()))
        counts = try_mutants(format_name, tried, seed=1)
        print(f"| {format_name} | {tried:,} | {counts['refused']:,} | {counts['equal']:,} | {counts['different']:,} |")
