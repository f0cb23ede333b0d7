"""Batches of latents and of what a flow is conditioned on."""

import itertools
from typing import Any

import numpy as np

from cvae.systems.flow.conditions import Conditions
from cvae.systems.flow.latents import Latents
from cvae.training.settings import Settings
from preprocess.utils.quiet import import_tensorflow

# The share of training examples whose condition is made of a caption, as in drawing, and not of the photograph; and
# of those that are whole photographs where there are crops.
BY_CAPTION, WHOLE = 0.5, 0.5


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
    tf = import_tensorflow()
    count, size = len(latents.embeddings), settings.batch_size
    grids, patches = tf.constant(latents.grids), tf.constant(latents.patches)
    rows, usual_rows, starts, captions = _rows_of(latents, conditions)
    rows, usual = tf.constant(rows), tf.constant(usual_rows)

    def chosen_in(epoch):
        rng = np.random.default_rng([settings.seed, epoch])
        order = rng.permutation(count)[: count // size * size]
        mirrored = rng.integers(0, 2, len(order))
        crops = latents.patches.shape[1] - 1
        # 0 is the whole; where there are no crops, there is nothing else to choose.
        view = rng.integers(min(1, crops), crops + 1, len(order)) * (rng.random(len(order)) >= WHOLE)
        share = 1 if conditions.own is None else BY_CAPTION
        by_caption = (rng.random(len(order)) < share) & (captions[order] > 0)
        caption = starts[order] + np.floor(rng.random(len(order)) * captions[order]).astype(int)
        row = np.where(by_caption, caption, usual_rows[order])
        return tuple(part.astype(np.int32) for part in (order, view, mirrored, row))

    def batch(chosen, view, mirrored, row):
        grid = tf.cast(tf.gather_nd(grids, tf.stack([chosen, 2 * view + mirrored], axis=1)), tf.float32)
        pairs = grid, tf.gather(rows, row)
        if not latents.patches.shape[-1]:
            return (pairs,)
        own = tf.gather_nd(patches, tf.stack([chosen, view], axis=1))
        # Those of a mirrored photograph lie mirrored too.
        own = tf.where(tf.cast(mirrored, tf.bool)[:, None, None, None], own[:, :, ::-1], own)
        tokens = tf.reshape(own, (-1, own.shape[1] * own.shape[2], own.shape[3]))
        return ((*pairs, tf.cast(tokens, tf.float32)),)

    if first_epoch is None:
        chosen = tf.data.Dataset.range(count, output_type=tf.int32).map(lambda row: (row, 0, 0, usual[row]))
    else:
        chosen = tf.data.Dataset.from_generator(
            lambda: (chosen_in(epoch) for epoch in itertools.count(first_epoch)),
            output_signature=(tf.TensorSpec([None], tf.int32),) * 4,
        ).unbatch()
    return chosen.batch(size).map(batch).prefetch(tf.data.AUTOTUNE)


def _rows_of(latents: Latents, conditions: Conditions) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All conditions in one array, and of each photograph: its usual row, its first caption's, how many captions."""
    count = len(latents.embeddings)
    parts = [part for part in conditions if part is not None]
    captions = np.bincount(latents.ids, minlength=count) * (conditions.by_caption is not None)
    starts = np.cumsum(captions) - captions + (0 if conditions.own is None else count)
    usual = starts if conditions.own is None else np.arange(count)
    return np.concatenate(parts).astype(np.float32), usual.astype(np.int32), starts, captions
