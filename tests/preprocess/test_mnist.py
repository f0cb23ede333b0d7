import gzip
import pathlib
import struct
import tracemalloc

import numpy as np
import pytest

from preprocess import mnist
from preprocess.mnist import FILES, load_digits, read_mnist, small_digits
from preprocess.utils.errors import UserError
from tests.helpers import shared

rng = np.random.default_rng(0)


def idx(magic, array):
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def write_mnist(folder, counts=(6, 4), pack=None):
    """Writes four small IDX files. Returns what is in them: {file name: array}."""
    folder.mkdir(exist_ok=True)
    arrays = {}
    for (image_file, label_file), count in zip(FILES.values(), counts):
        arrays[image_file] = rng.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[label_file] = rng.integers(0, 10, count, np.uint8)
        for name, magic in ((image_file, 0x803), (label_file, 0x801)):
            data = idx(magic, arrays[name])
            (folder / (f"{name}.gz" if pack else name)).write_bytes(pack(data) if pack else data)
    return arrays


@pytest.mark.parametrize("pack", [None, gzip.compress])
def test_reads_files_gzipped_or_not(tmp_path, pack):
    arrays = write_mnist(tmp_path, pack=pack)
    digits = read_mnist(tmp_path)
    for split, (image_file, label_file) in FILES.items():
        np.testing.assert_array_equal(digits.images[split][..., 0], arrays[image_file])
        np.testing.assert_array_equal(digits.labels[split], arrays[label_file])


IMAGES, LABELS = FILES["train"]


def missing(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def headless(path):
    path.write_bytes(b"\0\0")


def longer(path):
    path.write_bytes(path.read_bytes() + b"\0")


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        (IMAGES, missing, ["neither", IMAGES, "--data download"]),
        (LABELS, missing, ["neither", LABELS]),
        (IMAGES, cut, [IMAGES, "cut short"]),
        (LABELS, cut, [LABELS, "cut short"]),
        (IMAGES, headless, [IMAGES, "cut short (2 bytes)"]),
        (IMAGES, longer, [IMAGES, "too long"]),
        (LABELS, lambda path: path.write_bytes(idx(0x803, np.zeros((6, 1, 1), np.uint8))), [LABELS, "2051", "2049"]),
        (LABELS, lambda path: path.write_bytes(idx(0x801, np.zeros(5, np.uint8))), ["6 images", "5 labels"]),
        (LABELS, lambda path: path.write_bytes(idx(0x801, np.full(6, 10, np.uint8))), [LABELS, "0 to 9"]),
        (IMAGES, lambda path: path.write_bytes(idx(0x803, np.zeros((6, 32, 32), np.uint8))), [IMAGES, "32 x 32"]),
    ],
)
def test_damaged_files_are_named(tmp_path, name, damage, words):
    write_mnist(tmp_path)
    damage(tmp_path / name)
    with pytest.raises(UserError) as error:
        read_mnist(tmp_path)
    assert all(word in str(error.value) for word in words), error.value


def test_damaged_gzip_is_named(tmp_path):
    write_mnist(tmp_path, pack=gzip.compress)
    cut(tmp_path / f"{IMAGES}.gz")
    with pytest.raises(UserError, match=f"{IMAGES}.gz is cut short"):
        read_mnist(tmp_path)
    (tmp_path / f"{IMAGES}.gz").write_bytes(gzip.compress(b"text")[:-8] + bytes(8))
    with pytest.raises(UserError, match=f"{IMAGES}.gz is damaged"):
        read_mnist(tmp_path)


def test_a_bomb_is_unpacked_no_further_than_its_header_says(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / IMAGES).write_bytes(gzip.compress(idx(0x803, np.zeros((6, 28, 28), np.uint8)) + bytes(10**8)))
    tracemalloc.start()
    with pytest.raises(UserError, match="too long"):
        read_mnist(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_both_spellings_and_whatever_the_ending_says(tmp_path, pack, ending):
    arrays = write_mnist(tmp_path)
    for name in arrays:
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        (tmp_path / (name.replace("-idx", ".idx") + ending)).write_bytes(pack(data))
    np.testing.assert_array_equal(read_mnist(tmp_path).images["train"][..., 0], arrays[IMAGES])


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        load_digits(tmp_path / "nowhere")


def test_failed_download_is_one_sentence(monkeypatch):
    import keras

    def fail():
        raise ConnectionError("no route")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    with pytest.raises(UserError, match="cannot be downloaded .no route."):
        load_digits("download")


def test_small_digits_look_like_mnist_and_say_what_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digits = load_digits()
    assert "scikit-learn" in digits.describe()
    for split in ("train", "test"):
        assert digits.images[split].shape[1:] == (28, 28, 1) and digits.images[split].dtype == np.uint8
        assert set(digits.labels[split]) == set(range(10))
    assert len(digits.labels["train"]) + len(digits.labels["test"]) == 1797
    # White on black: the rim is nearly black, the middle is not.
    assert digits.images["train"][:, :, 0].mean() < 20 < digits.images["train"][:, 10:18, 10:18].mean()


def test_small_digits_are_the_same_each_time():
    np.testing.assert_array_equal(small_digits().images["test"], small_digits().images["test"])


def test_data_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "FOLDER", pathlib.Path("data/mnist"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    write_mnist(tmp_path / "data" / "mnist")
    assert "data/mnist" in load_digits().describe()


def test_real_mnist():
    digits = read_mnist(shared("data", "mnist"))
    assert [len(digits.labels[split]) for split in ("train", "test")] == [60_000, 10_000]
    assert np.bincount(digits.labels["test"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
