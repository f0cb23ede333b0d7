"""The small CLIP of drawn scenes in Keras: `--clip pasture`. Its numbers are those of `ClipWrapper` on `clip.pt`."""

import functools
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from preprocess.embedding.tokenizer import load_tokenizer
from preprocess.pasture import PASTURE_CLIP
from preprocess.photographs.tokenizer import NOT_ENGLISH
from preprocess.shards.images import as_image
from preprocess.utils.load_arrays import read_state_dict
from preprocess.utils.quiet import import_keras

BATCH = 64
# Of ImageNet's images, as CLIP has them.
MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)
DEVIATION = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


class PastureEncoder:
    """OpenAI's architecture in a small shape, trained on drawn scenes; see `preprocess.pasture.train_clip`.

    Attributes:
        name, weights_path: of the checkpoint, whose hash stands for it in data and runs. embedding_dim: 512.
        image_size: 64 pixels a side. precision: float32.
    """

    name = PASTURE_CLIP.name
    weights_path = PASTURE_CLIP
    embedding_dim = 512
    image_size = 64
    precision = "float32"

    def encode_images(self, images: Sequence[Any]) -> np.ndarray:
        """Embeddings float32 (n, 512), of length 1, of images as `ClipWrapper` takes them."""
        return self.encode_images_and_patches(images)[0]

    def encode_patches(self, images: Sequence[Any]) -> np.ndarray:
        """What its tower says of 2 x 2 patches of each image, float32 (n, 2, 2, 512)."""
        return self.encode_images_and_patches(images)[1]

    def encode_images_and_patches(self, images: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """What `encode_images` and `encode_patches` give, at the cost of one."""
        rows, grids = [np.zeros((0, 512), np.float32)], [np.zeros((0, 2, 2, 512), np.float32)]
        for start in range(0, len(images), BATCH):
            batch = np.stack([prepare(as_image(image)) for image in images[start : start + BATCH]])
            embeddings, grid = _tower("image").predict_on_batch(batch)
            rows.append(_unit(embeddings))
            grids.append(np.asarray(grid, np.float32))
        return np.concatenate(rows), np.concatenate(grids)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings float32 (n, 512), of length 1; a text of more than 77 tokens is cut, with a warning."""
        rows = [np.zeros((0, 512), np.float32)]
        for start in range(0, len(texts), 4 * BATCH):
            rows.append(_unit(_tower("text").predict_on_batch(tokenize(texts[start : start + 4 * BATCH]))))
        return np.concatenate(rows)


def prepare(image: Any) -> np.ndarray:
    """A `PIL.Image` as CLIP's own transform makes it: float32 (64, 64, 3), its middle, normalised."""
    from PIL import Image

    size, short = PastureEncoder.image_size, min(image.size)
    width, height = (size * side // short for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - size) / 2), round((height - size) / 2)
    pixels = np.asarray(image.crop((left, top, left + size, top + size)).convert("RGB"), np.float32)
    return (pixels / 255 - MEAN) / DEVIATION


def tokenize(texts: Sequence[str]) -> np.ndarray:
    """CLIP's tokens int32 (n, 77): a start, the text, an end, and zeros; longer texts are cut, with a warning."""
    from preprocess.pasture.networks import CONTEXT_LENGTH, VOCABULARY

    tokens = np.zeros((len(texts), CONTEXT_LENGTH), np.int32)
    for row, text in zip(tokens, texts):
        found = load_tokenizer().encode(text)
        if len(found) > CONTEXT_LENGTH - 2:
            warnings.warn(f"longer than CLIP's {CONTEXT_LENGTH} tokens, of which it reads the beginning", stacklevel=2)
        if not re.search("[A-Za-z]", text):
            warnings.warn(NOT_ENGLISH, stacklevel=2)
        found = [VOCABULARY - 2, *found[: CONTEXT_LENGTH - 2], VOCABULARY - 1]
        row[: len(found)] = found
    return tokens


@functools.cache
def _tower(name):
    import_keras()
    from preprocess.pasture.networks import build_image_tower, build_text_tower, set_weights

    tower = {"image": build_image_tower, "text": build_text_tower}[name]()
    set_weights(tower, _state())
    return tower


@functools.cache
def _state():
    return read_state_dict(PASTURE_CLIP, "install the package again")


def _unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
