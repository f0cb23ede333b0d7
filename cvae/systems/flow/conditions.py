"""What a flow is conditioned on, in vectors of length 1: embeddings of images or texts, attributes, or both."""

from typing import Any, NamedTuple

import numpy as np

from cvae.systems.flow.latents import Latents
from cvae.utils.arrays import in_batches


class Conditions(NamedTuple):
    """Of n photographs.

    Attributes:
        own: float32 (n, c), of each photograph; None where captions alone count.
        by_caption: float32 (m, c), of each caption; None where they do not count.
    """

    own: np.ndarray | None
    by_caption: np.ndarray | None


def conditions_of(latents: Latents, condition: str, prior: Any = None) -> Conditions:
    """What a flow can be conditioned on for photographs.

    Args:
        latents: the photographs'. condition: one of `preprocess.shards.read.CONDITIONS`.
        prior: for "image", what leads from captions' embeddings to images'; None where captions need not count.
    """
    if condition == "image":
        return Conditions(latents.embeddings, in_batches(prior, latents.texts) if prior else None)
    if condition == "attributes":
        return Conditions(unit_conditions(latents.attributes, latents.attributes.shape[1]), None)
    if condition == "text":
        return Conditions(None, latents.texts)
    attributes = latents.attributes
    both = np.concatenate([attributes[latents.ids], latents.texts], axis=1)
    return Conditions(None, unit_conditions(both, attributes.shape[1]))


def unit_conditions(conditions: np.ndarray, attributes: int) -> np.ndarray:
    """Conditions of length 1.

    Args:
        conditions: float32 (n, c): attributes, 0 or 1, then an embedding of length 1 or nothing.
        attributes: how many of the c are attributes.

    Returns:
        float32 (n, c); attributes are -1 or 1 over a common factor, so that what a face has not counts as well.
    """
    rows = np.asarray(conditions, np.float32)
    if not attributes:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
    has = (2 * rows[:, :attributes] - 1) / np.float32(attributes**0.5)
    parts = np.concatenate([has, rows[:, attributes:]], axis=1)
    return parts / np.linalg.norm(parts, axis=1, keepdims=True)
