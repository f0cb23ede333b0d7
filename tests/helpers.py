"""Functions that several tests call."""

import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import textwrap
import time
import zipfile

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
# A file with an encoder of four numbers, a class that is none, and encoders that fail.
ENCODER = """
import numpy as np
class Encoder:
    name, embedding_dim, image_size = "plain", 4, 32
    def encode_images(self, images):
        return np.array([[*np.asarray(image, float).mean((0, 1)) / 255, 1] for image in images], np.float32)
    def encode_texts(self, texts):
        return np.array([[len(text), 1, 1, 1] for text in texts], np.float32)
class Half:
    name = "half"
class Zeros(Encoder):
    def encode_texts(self, texts):
        return np.zeros((len(texts), 4), np.float32)
class Broken(Encoder):
    def encode_texts(self, texts):
        return np.stack([np.ones(4), np.ones(5)])
"""
# Settings of a run of 64-image, and of a flow, that train in seconds.
SMALL = {"epochs": 2, "batch_size": 8, "width": 1 / 16, "precision": "float32", "decay": True}
# The first as the command line takes them.
SMALL_OPTIONS = ("--epochs", 2, "--batch-size", 8, "--width", 1 / 16, "--precision", "float32", "--decay")
SMALL_FLOW = {"epochs": 2, "batch_size": 16, "width": 1 / 16, "precision": "float32", "autoencoder": "train"}


def is_tuned(dataset):
    """Whether TensorFlow tunes a `tf.data.Dataset`, for which who drops its iterator may wait."""
    return dataset.options().autotune.enabled is not False


def command(*arguments, cwd=ROOT, **options):
    """Runs `python ...` with the project importable. Returns the finished process with its output as text."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, **options
    )


def run_on_jax(monkeypatch, code):
    """Runs lines of Python on Keras' JAX backend, with `np` and `keras`; skips the test where there is no JAX."""
    pytest.importorskip("jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    lines = "import numpy as np, keras\nassert keras.backend.backend() == 'jax'"
    process = command("-c", f"{lines}\n{textwrap.dedent(code)}")
    assert process.returncode == 0, process.stderr


def free_port():
    """A port of this machine that nobody listens at."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def start(*arguments):
    """Starts `python ...` with the project importable, its output unseen. Returns the running process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def wait_for(process, condition, seconds=120):
    """Waits until `condition()` holds, and fails if the process ends or the time is over before."""
    deadline = time.time() + seconds
    while not condition():
        assert process.poll() is None and time.time() < deadline, "ended too early to test anything"
        time.sleep(0.02)


def assert_user_error(process, *words):
    """One sentence on standard error that holds the words, exit code 2, no traceback."""
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("error: "), process.stderr
    for word in words:
        assert str(word) in last, last


def shared(*parts):
    """A path in the shared folder of real data; skips the test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs the real data in {path}")
    return path


def noise_jpeg():
    """The bytes of a JPEG of 80 pixels a side."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_coco(folder, files, captions, name="train2017"):
    """Writes NAME.zip with {file name: bytes} and captions_NAME.json with {file name: [captions]}. Returns the zip."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
        for file_name, data in files.items():
            archive.writestr(f"{name}/{file_name}", data)
    images = [{"id": index, "file_name": file_name} for index, file_name in enumerate(captions, 1)]
    annotations = [
        {"id": 1000 * index + number, "image_id": index, "caption": text}
        for index, texts in enumerate(captions.values(), 1)
        for number, text in enumerate(texts)
    ]
    text = json.dumps({"images": images, "annotations": annotations})
    (folder / f"captions_{name}.json").write_text(text)
    return folder / f"{name}.zip"


def losses_of(history):
    """The figures of a history that do not depend on the machine's speed."""
    gauges = ("seconds", "images_per_second", "peak_memory_mb")
    return [{name: value for name, value in row.items() if name not in gauges} for row in history]


def assert_same_history(history, other, tolerance=1e-5):
    """Two histories are the same within rounding."""
    for left, right in zip(losses_of(history), losses_of(other), strict=True):
        assert left == pytest.approx(right, rel=tolerance)


def assert_same_weights(model, other, tolerance=1e-5):
    """Two models' weights are the same within rounding."""
    for left, right in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance, err_msg=left.path)


def assert_same_embedded(folder, other):
    """Two embedded folders have the same files, and records that differ by no more than rounding."""
    from preprocess.shards.records import read_shard

    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in names:
        if not name.endswith(".tfrecord"):
            assert (folder / name).read_bytes() == (other / name).read_bytes()
            continue
        for left, right in zip(read_shard(folder / name), read_shard(other / name), strict=True):
            features, others = dict(left.features.feature), dict(right.features.feature)
            assert features.keys() == others.keys()
            for key, feature in features.items():
                np.testing.assert_allclose(feature.float_list.value, others[key].float_list.value, atol=1e-4)
                assert feature.bytes_list == others[key].bytes_list and feature.int64_list == others[key].int64_list
