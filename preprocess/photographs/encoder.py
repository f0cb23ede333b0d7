"""An encoder of photographs and their captions that comes along, in Keras alone: `--clip photographs`."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from preprocess.photographs.tokenizer import tokenize
from preprocess.shards.images import as_image
from preprocess.utils.files import atomic_path
from preprocess.utils.load_arrays import read_arrays
from preprocess.utils.quiet import import_keras

WEIGHTS = pathlib.Path(__file__).with_name("encoder.npz")
# Pixels a side of what EfficientNet looks at; its last layer's grid has 8 x 8 cells.
LOOKED_AT = 256
BATCH = 32


class PhotographEncoder:
    """Embeddings of images and texts in one space, of photographs of animals, landscapes and daily life.

    The image side is EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946) with a grid of 4 x 4 mean colours and a
    perceptron, the text side a small transformer. `preprocess.photographs.train_encoder` trained them; their card,
    docs/encoders.md, says on what, and what they are bad at.

    Attributes:
        name, weights_path. embedding_dim: 512. image_size: pixels a side of what it is best given.
    """

    name = "photographs"
    embedding_dim = 512
    image_size = 224
    weights_path = WEIGHTS

    def encode_images(self, images: Sequence[Any]) -> np.ndarray:
        """Embeddings float32 (n, 512), of length 1, of square images, as `ClipWrapper` takes them."""
        if not len(images):
            return np.zeros((0, self.embedding_dim), np.float32)
        return self.encode_images_and_patches(images)[0]

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings float32 (n, 512), of length 1, of texts; what is longer than 22 tokens is cut."""
        rows = [np.zeros((0, self.embedding_dim), np.float32)]
        for start in range(0, len(texts), 8 * BATCH):
            rows.append(np.asarray(_sides()[0].predict_on_batch(tokenize(texts[start : start + 8 * BATCH]))))
        return np.concatenate(rows)

    def encode_images_and_patches(self, images: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """What `encode_images` and `encode_patches` give, at the cost of one."""
        features, grids = describe_images(images)
        standard = _weights()
        embeddings = np.asarray(_sides()[1].predict_on_batch(features))
        return embeddings, (grids - standard["patch_mean"]) / standard["patch_deviation"]

    def encode_patches(self, images: Sequence[Any]) -> np.ndarray:
        """What stands where in images: float32 (n, 8, 8, 1280), each number standardised over photographs."""
        return self.encode_images_and_patches(images)[1]


def describe_images(images: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the image side begins with.

    Args:
        images: square ones, as `as_image` takes them.

    Returns:
        (features and colours float32 (n, 1328), EfficientNet's last grid float32 (n, 8, 8, 1280)).
    """
    from PIL import Image

    rows, grids = [], []
    for start in range(0, len(images), BATCH):
        batch = [as_image(image).convert("RGB") for image in images[start : start + BATCH]]
        large = [np.asarray(image.resize((LOOKED_AT, LOOKED_AT), Image.Resampling.BICUBIC)) for image in batch]
        small = [np.asarray(image.resize((4, 4), Image.Resampling.BOX), np.float32) for image in batch]
        grid = np.asarray(_network().predict_on_batch(np.stack(large) / np.float32(255)))
        grids.append(grid)
        pooled = np.log1p(np.maximum(grid.mean((1, 2)), 0))
        rows.append(np.concatenate([pooled, np.stack(small).reshape(len(batch), -1) / 255], axis=1))
    return np.concatenate(rows).astype(np.float32), np.concatenate(grids)


@functools.cache
def _network():
    import_keras()
    from preprocess.photographs.efficientnet import features_network

    return features_network("head")


@functools.cache
def _weights():
    kept = read_arrays(WEIGHTS, {}, "install the package again")
    return {name: array.astype(np.float32) for name, array in kept.items()}


@functools.cache
def _sides():
    """The networks of texts and of images, with the weights that come along."""
    import_keras()
    from preprocess.photographs.networks import build_image_network, build_text_network

    sides = build_text_network(), build_image_network()
    for side in sides:
        side.set_weights([_weights()[f"{side.name}/{number}"] for number in range(len(side.weights))])
    return sides


def write_weights(student: Any, patch_mean: np.ndarray, patch_deviation: np.ndarray, path: pathlib.Path) -> None:
    """Writes the file of weights, in float16, of a `preprocess.photographs.networks.Student` that has learned.

    Args:
        student: the student. patch_mean, patch_deviation: (1280,), of the last grid's numbers. path: the file.
    """
    kept = {"patch_mean": patch_mean, "patch_deviation": patch_deviation}
    for side in (student.text, student.image):
        kept |= {f"{side.name}/{number}": weight for number, weight in enumerate(side.get_weights())}
    arrays: dict[str, Any] = {name: np.asarray(value, np.float16) for name, value in kept.items()}
    with atomic_path(path) as partial:
        np.savez_compressed(partial, **arrays)
