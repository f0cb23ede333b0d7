"""Batches of latents and of what a flow is conditioned on."""

import itertools
from typing import Any

import numpy as np

from cvae.systems.flow.conditions import Conditions
from cvae.systems.flow.latents import Latents
from cvae.training.settings import Settings
from preprocess.utils.datasets import streamed

# The share of training examples whose condition is made of a caption, as in drawing, and not of the photograph; and
# of those that are whole photographs where there are crops.
BY_CAPTION, WHOLE = 0.5, 0.5


class Choices:
    """Which view of which photograph an epoch has where, and what each is conditioned on.

    Args: see `latent_batches`.

    Attributes:
        rows: float32 (n + m, c), all conditions. usual: int32 (n,), each photograph's own row, or its first caption's.
    """

    def __init__(self, latents, conditions, settings):
        self.settings = settings
        count = len(latents.embeddings)
        self.crops = latents.patches.shape[1] - 1
        parts = [part for part in conditions if part is not None]
        self.rows = np.concatenate(parts).astype(np.float32)
        self.share = 1 if conditions.own is None else BY_CAPTION
        self.captions = np.bincount(latents.ids, minlength=count) * (conditions.by_caption is not None)
        before = 0 if conditions.own is None else count
        self.starts = np.cumsum(self.captions) - self.captions + before
        self.usual = (self.starts if conditions.own is None else np.arange(count)).astype(np.int32)

    def in_order(self) -> tuple[np.ndarray, ...]:
        """All photographs once, whole: see `of_epoch`."""
        return np.arange(len(self.usual)), 0 * self.usual, 0 * self.usual, self.usual

    def of_epoch(self, epoch: int) -> tuple[np.ndarray, ...]:
        """(photographs, their views, whether those are mirrored, rows of conditions), each int32, of whole batches."""
        rng = np.random.default_rng([self.settings.seed, epoch])
        count, size = len(self.usual), self.settings.batch_size
        order = rng.permutation(count)[: count // size * size]
        mirrored = rng.integers(0, 2, len(order))
        # 0 is the whole; where there are no crops, there is nothing else to choose.
        view = rng.integers(min(1, self.crops), self.crops + 1, len(order)) * (rng.random(len(order)) >= WHOLE)
        by_caption = (rng.random(len(order)) < self.share) & (self.captions[order] > 0)
        caption = self.starts[order] + np.floor(rng.random(len(order)) * self.captions[order]).astype(int)
        row = np.where(by_caption, caption, self.usual[order])
        return tuple(part.astype(np.int32) for part in (order, view, mirrored, row))


def examples(arrays: Any, chosen: Any, view: Any, mirrored: Any, row: Any) -> tuple[Any, ...]:
    """The examples that `Choices` chose, ((latent, condition, perhaps patches),), float32.

    Args:
        arrays: a `Latents`' grids and patches, and rows of conditions, of NumPy or of JAX, and so is what it gives.
        chosen, view, mirrored, row: see `Choices.of_epoch`.
    """
    grids, patches, rows = arrays
    pairs = grids[chosen, 2 * view + mirrored].astype("float32"), rows[row].astype("float32")
    if not patches.shape[-1]:
        return (pairs,)
    # Those of a mirrored photograph lie mirrored too.
    columns = np.arange(patches.shape[3])[None]
    columns = columns + mirrored[:, None] * (columns[:, ::-1] - columns)
    places = np.arange(patches.shape[2])[None, :, None]
    own = patches[chosen[:, None, None], view[:, None, None], places, columns[:, None]].astype("float32")
    return ((*pairs, own.reshape(len(chosen), -1, own.shape[-1])),)


def latent_batches(latents: Latents, conditions: Conditions, settings: Settings, first_epoch: int | None = None) -> Any:
    """Batches of latents with what they are conditioned on.

    Args:
        latents: of one split. conditions: of the same photographs.
        settings: a `cvae.training.settings.Settings`, of which batch size and seed count.
        first_epoch: for training, the epoch to begin with, of endless ones, each in an order of its own, with half of
            the photographs mirrored and half cropped, and, where there are conditions of either kind, half conditioned
            on one of their captions; None for all photographs once, as they are, with their own or their first
            caption's condition.

    Returns:
        A `tf.data.Dataset` of ((latent, condition),), both float32; with patches, (n, 64, d), where there are any.
    """
    choices, size = Choices(latents, conditions, settings), settings.batch_size
    arrays = latents.grids, latents.patches, choices.rows

    def batches():
        epochs = [choices.in_order()] if first_epoch is None else map(choices.of_epoch, itertools.count(first_epoch))
        for chosen in epochs:
            for start in range(0, len(chosen[0]), size):
                yield examples(arrays, *(part[start : start + size] for part in chosen))

    # By NumPy, one batch at a time: a tensor of all latents would be a second copy of them.
    return streamed(batches, -(-len(choices.usual) // size) if first_epoch is None else None)
