"""Drawn scenes as arrays with labels, for what is trained on scenes directly: the small CLIP and the judge."""

import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image

from preprocess.pasture.paint import paint_scene
from preprocess.pasture.scenes import ATTRIBUTES, Scene, sample_scene
from preprocess.shards.images import largest_square
from preprocess.utils.parallel import available_cores, ordered_map
from preprocess.utils.progress import progress_bar


def draw_sample(index: int, seed: int, size: int) -> tuple[np.ndarray, list[int]]:
    """Draws scene `index`. Returns (uint8 (size, size, 3), label indices in the order of `ATTRIBUTES`)."""
    rng = np.random.default_rng([seed, index])
    scene = sample_scene(rng, include_held_out=True)
    square = largest_square(paint_scene(rng, scene))
    pixels = np.asarray(square.resize((size, size), Image.LANCZOS))
    return pixels, [values.index(getattr(scene, name)) for name, values in ATTRIBUTES.items()]


def draw_samples(count: int, seed: int, size: int, purpose: str = "drawing") -> tuple[np.ndarray, np.ndarray]:
    """Draws scenes on every core, held-out combinations included.

    Args:
        count: scenes.
        seed: the same seed draws the same scenes.
        size: side in pixels.
        purpose: what the bar says.

    Returns:
        uint8 (count, size, size, 3) and int label indices (count, attributes), in the order of `ATTRIBUTES`.
    """
    drawn = ordered_map(functools.partial(draw_sample, seed=seed, size=size), range(count), available_cores())
    images, labels = zip(*progress_bar(drawn, purpose, count, unit="picture"))
    return np.array(images), np.array(labels)


def scene_of(labels: Sequence[int]) -> Scene:
    """The `Scene` of one row of label indices."""
    return Scene(**{name: values[index] for (name, values), index in zip(ATTRIBUTES.items(), labels)})
