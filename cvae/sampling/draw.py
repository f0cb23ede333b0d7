"""From conditions to pictures: the noise, and which pictures to keep."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from cvae.runs import Run
from cvae.utils.arrays import in_batches, to_uint8
from preprocess.embedding.process import EncoderProcess

Progress = Callable[[int], Any]


class Drawer(Protocol):
    """What draws pictures: a model, or one with options and a learned prior."""

    latent_dim: int

    def draw(self, noise: Any, condition: Any) -> Any:
        """Gives pictures float32 (n, size, size, 3) in [0, 1] for noise (n, latent_dim) and conditions (n, c)."""


def open_drawer(run: Run) -> Drawer:
    """A run's model, for systems whose models draw by themselves."""
    return run.model()


def noise_of(drawer: Drawer, count: int, seed: int) -> np.ndarray:
    """Gaussian noise float32 (count, latent_dim), of which row i does not depend on `count`."""
    return np.random.default_rng(seed).standard_normal((count, drawer.latent_dim)).astype(np.float32)


def draw(drawer: Drawer, conditions: np.ndarray, count: int, seed: int, progress: Progress | None = None) -> np.ndarray:
    """Draws `count` pictures for each condition.

    The noise depends on the seed and on the picture's number alone: every prompt gets the same noises, and asking for
    more pictures leaves the first ones as they were.

    Args:
        drawer: what draws. conditions: float32 (n, c). count: pictures a condition. seed: of the noise.
        progress: called with the number of pictures of each batch.

    Returns:
        float32 (n, count, size, size, 3) in [0, 1].
    """
    noise = np.tile(noise_of(drawer, count, seed), (len(conditions), 1))
    pictures = in_batches(drawer.draw, noise, np.repeat(conditions, count, axis=0), progress=progress)
    return pictures.reshape(len(conditions), count, *pictures.shape[1:])


def embed_images(images: np.ndarray, encoder: EncoderProcess, progress: Progress | None = None) -> np.ndarray:
    """Embeds uint8 images (n, size, size, 3) in batches: float32 (n, d).

    `progress` is called with the number of images in each batch.
    """
    from PIL import Image

    def embed(batch: np.ndarray) -> np.ndarray:
        return encoder.encode_images([Image.fromarray(image) for image in batch])

    return in_batches(embed, images, progress=progress)


def keep_closest(
    pictures: np.ndarray, texts: np.ndarray, count: int, encoder: EncoderProcess, progress: Progress | None = None
) -> np.ndarray:
    """Keeps the pictures of each prompt that an encoder finds closest to it, the closest first.

    Args:
        pictures: float32 (n, candidates, size, size, 3) in [0, 1]. texts: float32 (n, d), the prompts' embeddings.
        count: how many to keep. encoder: the encoder. progress: see `embed_images`.

    Returns:
        float32 (n, count, size, size, 3).
    """
    flat = to_uint8(pictures.reshape(-1, *pictures.shape[2:]))
    embeddings = embed_images(flat, encoder, progress).reshape(*pictures.shape[:2], -1)
    order = np.argsort(-np.einsum("ncd,nd->nc", embeddings, texts), axis=1, kind="stable")[:, :count]
    return np.take_along_axis(pictures, order[..., None, None, None], axis=1)
