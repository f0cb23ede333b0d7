"""Arrays of images, noise and embeddings: in batches, between two, summed, as bytes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from preprocess.utils.errors import UserError
from preprocess.utils.types import Tensor

BATCH = 64


def to_one_size(pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Pictures (..., size, size, channels) of several sizes as large as the largest, each pixel as a square."""
    largest = max(part.shape[-2] for part in pictures)
    times = [largest // part.shape[-2] for part in pictures]
    return [part.repeat(number, axis=-3).repeat(number, axis=-2) for part, number in zip(pictures, times)]


def in_batches(
    function: Callable[..., Any], *arrays: Any, size: int = BATCH, progress: Callable[[int], Any] | None = None
) -> np.ndarray:
    """Calls a function on batches of arrays and puts its results together.

    Args:
        function: takes a batch of each array, and gives an array with as many rows.
        *arrays: of equal length n, at least 1.
        size: rows a batch.
        progress: called with the number of rows of each batch that is done.

    Returns:
        An array of n rows.
    """
    parts = []
    for start in range(0, len(arrays[0]), size):
        parts.append(np.asarray(function(*(array[start : start + size] for array in arrays))))
        if progress:
            progress(len(parts[-1]))
    return np.concatenate(parts)


def further_noise(noise: Tensor, size: int) -> np.ndarray:
    """Gaussian noise float32 (n, size) that follows from other noise (n, more than 1), row by row."""
    seeds = np.ascontiguousarray(noise[:, :2], np.float32).view(np.uint32)
    return np.stack([np.random.default_rng(seed).standard_normal(size, np.float32) for seed in seeds])


def slerp(start: Any, end: Any, steps: int) -> np.ndarray:
    """Interpolates between two vectors along the sphere (Shoemake 1985), lengths linearly.

    For unit vectors such as embeddings this stays on the unit sphere; for latents drawn from a Gaussian it keeps to the
    lengths that they have, where a straight line would pass nearer to the origin.

    Args:
        start, end: float (d,), not opposite to each other: no path between those is the shortest.
        steps: vectors to return, the two ends included.

    Returns:
        float32 (steps, d).
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    a, b = start / lengths[0], end / lengths[1]
    angle = np.arccos(np.clip(a @ b, -1, 1))
    t = np.linspace(0, 1, steps)[:, None]
    # For parallel vectors both sines vanish, and a straight line is the same.
    directions = (
        (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle) if angle > 1e-4 else a + t * (b - a)
    )
    return (directions * (lengths[0] + t * (lengths[1] - lengths[0]))).astype(np.float32)


def combine(plus: Any, minus: Any = ()) -> np.ndarray:
    """Sums and differences of embeddings, such as "sheep on grass" - grass + snow, brought back to length 1.

    Args:
        plus, minus: sequences of float (d,).

    Returns:
        float32 (d,).

    Raises:
        UserError: nothing is left.
    """
    total = np.sum(plus, axis=0) - np.sum(minus, axis=0) if len(minus) else np.sum(plus, axis=0)
    length = np.linalg.norm(total)
    if length < 1e-4:
        raise UserError("the prompts cancel each other out; subtract another one.")
    return (total / length).astype(np.float32)


def to_uint8(images: np.ndarray) -> np.ndarray:
    """float [0, 1] -> uint8 [0, 255]."""
    return np.round(np.clip(np.asarray(images, np.float32), 0, 1) * 255).astype(np.uint8)
