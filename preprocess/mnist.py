"""MNIST's digits: from their four files, from a download, or scikit-learn's small ones in their place."""

import dataclasses
import hashlib
import math
import pathlib
import struct

import numpy as np

from preprocess.utils.errors import UserError, counted
from preprocess.utils.load import GZIP, gunzip, read_bytes
from preprocess.utils.quiet import import_keras
from preprocess.utils.types import PathLike

IMAGE_SIZE, LABELS = 28, 10
# Where the files lie if nothing is said.
FOLDER = pathlib.Path("data/mnist")
DOWNLOAD = "download"
REMEDY = "download it again"
# Bytes of images that are read at most: three times EMNIST's.
MOST = 2 * 10**9
# Magic numbers of unsigned bytes in three dimensions and in one (http://yann.lecun.com/exdb/mnist).
IMAGES_MAGIC, LABELS_MAGIC = 0x803, 0x801
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


@dataclasses.dataclass(frozen=True)
class Digits:
    """Handwritten digits.

    Attributes:
        source: where they come from, for messages and run.json.
        images: {"train", "test"}: uint8 (n, 28, 28, 1), white on black.
        labels: {"train", "test"}: int32 (n,), 0 to 9.
    """

    source: str
    images: dict
    labels: dict

    def describe(self) -> str:
        """What was found, in a sentence."""
        counts = {split: len(labels) for split, labels in self.labels.items()}
        return f"{counts['train']} digits to train on and {counts['test']} to test with, {self.source}"

    def checksum(self) -> str:
        """The SHA-256 of all images and labels, in hex."""
        digest = hashlib.sha256()
        for split in ("train", "test"):
            digest.update(np.ascontiguousarray(self.images[split]).data)
            digest.update(np.ascontiguousarray(self.labels[split]).data)
        return digest.hexdigest()


def _read(folder, name, header):
    """The path of a file and its bytes, unpacked if they are packed, whatever its name says.

    Browsers unpack a .gz as they save it, and some mirrors write "train-images.idx3-ubyte".
    """
    for spelling in (name, name.replace("-idx", ".idx")):
        for path in (folder / spelling, folder / f"{spelling}.gz"):
            if path.is_file():
                data = read_bytes(path, REMEDY)
                return path, _unpacked(data, path, header) if data.startswith(GZIP) else data
    raise UserError(
        f"{folder} has neither {name} nor {name}.gz; put MNIST's four files there, or give --data download."
    )


def _unpacked(data, path, header):
    """Gzipped bytes, unpacked as far as their header says that they reach, and a byte more."""
    start = gunzip(data, path, header - 1, REMEDY)
    shape = struct.unpack(f">{header // 4}I", start)[1:] if len(start) == header else ()
    return gunzip(data, path, header + min(math.prod(shape), MOST), REMEDY)


def read_idx(folder: PathLike, name: str, magic: int) -> np.ndarray:
    """Reads an IDX file (http://yann.lecun.com/exdb/mnist).

    Args:
        folder: where it lies. name: its name, without the ".gz" that it may have. magic: the number it begins with.

    Returns:
        uint8, shaped as the file says.

    Raises:
        UserError: it is not there, cut short, too long, or begins with another number.
    """
    dimensions = magic & 0xFF
    header = 4 * (1 + dimensions)
    path, data = _read(pathlib.Path(folder), name, header)
    if len(data) < header:
        raise UserError(f"{path} is cut short ({counted(len(data), 'byte')}); download it again.")
    found, *shape = struct.unpack(f">{1 + dimensions}I", data[:header])
    if found != magic:
        raise UserError(f"{path} begins with the number {found}, not {magic}: it is no MNIST file of that name.")
    # Of Python's own integers: a damaged header may state more than 64 bits hold.
    size = math.prod(shape)
    if len(data) - header != size:
        fault = "cut short" if len(data) - header < size else "too long"
        raise UserError(f"{path} is {fault}: {len(data) - header} bytes for {' x '.join(map(str, shape))}.")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def read_mnist(folder: PathLike) -> Digits:
    """Reads MNIST's four files, gzipped or not.

    Returns:
        `Digits`.

    Raises:
        UserError: a file is missing or damaged, images are not 28 x 28, counts disagree, or a label exceeds 9.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; put MNIST's four files there, or give --data download.")
    images, labels = {}, {}
    for split, (image_file, label_file) in FILES.items():
        images[split] = read_idx(folder, image_file, IMAGES_MAGIC)
        labels[split] = read_idx(folder, label_file, LABELS_MAGIC).astype(np.int32)
        if images[split].shape[1:] != (IMAGE_SIZE, IMAGE_SIZE):
            sides = " x ".join(map(str, images[split].shape[1:]))
            raise UserError(f"{folder}/{image_file} holds images of {sides} pixels, not 28 x 28.")
        if len(images[split]) != len(labels[split]):
            raise UserError(
                f"{folder} has {counted(len(images[split]), 'image')} in {image_file} but "
                f"{counted(len(labels[split]), 'label')} in {label_file}; download both again."
            )
        if not len(labels[split]) or labels[split].max() >= LABELS:
            raise UserError(f"{folder}/{label_file} must hold labels from 0 to 9; download it again.")
    return Digits(f"MNIST's files in {folder}", {k: v[..., None] for k, v in images.items()}, labels)


def download_mnist() -> Digits:
    """MNIST as `keras.datasets` downloads it: `Digits`.

    Raises:
        UserError: it cannot be reached.
    """
    try:
        (train_images, train_labels), (test_images, test_labels) = import_keras().datasets.mnist.load_data()
    # urllib, TensorFlow's file system and a damaged cache raise nearly anything.
    except Exception as error:
        reason = str(error).splitlines()[0][:150]
        raise UserError(f"MNIST cannot be downloaded ({reason}); give --data a folder with its four files.") from None
    return Digits(
        "MNIST as keras.datasets has it",
        {"train": train_images[..., None], "test": test_images[..., None]},
        {"train": train_labels.astype(np.int32), "test": test_labels.astype(np.int32)},
    )


def small_digits() -> Digits:
    """The 1,797 digits of 8 x 8 pixels that scikit-learn ships, upscaled to 28 x 28; every fourth is for testing."""
    from PIL import Image
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.stack(
        [
            np.asarray(Image.fromarray(np.uint8(image * (255 / 16))).resize((IMAGE_SIZE, IMAGE_SIZE), Image.BICUBIC))
            for image in found.images
        ]
    )[..., None]
    labels = found.target.astype(np.int32)
    test = np.arange(len(labels)) % 4 == 3
    return Digits(
        "scikit-learn's 8 x 8 pixels upscaled, since MNIST is not there",
        {"train": images[~test], "test": images[test]},
        {"train": labels[~test], "test": labels[test]},
    )


def load_digits(data: str | None = None) -> Digits:
    """The digits to work with.

    Args:
        data: a folder with MNIST's files, "download", or None for `data/mnist` where that is a folder and
            scikit-learn's digits elsewhere.

    Returns:
        `Digits`.

    Raises:
        UserError: see `read_mnist` and `download_mnist`.
    """
    if data == DOWNLOAD:
        return download_mnist()
    if data or FOLDER.is_dir():
        return read_mnist(data or FOLDER)
    return small_digits()
