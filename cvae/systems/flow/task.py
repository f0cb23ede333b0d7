"""Training a flow on latents: the autoencoder first, then its latents once, then the flow itself."""

import itertools
from typing import Any

import numpy as np

from cvae.registry import find_variant
from cvae.runs import BEST, LAST, Run, is_run
from cvae.systems.flow.latents import Latents, encode_latents, has_latents_of, read_latents
from cvae.training.loop import train
from cvae.training.resume import settings_of
from cvae.training.settings import Settings
from cvae.training.shard_task import ShardTask
from preprocess.utils.errors import UserError
from preprocess.utils.quiet import import_tensorflow

# The token dimension, for a width of 1, and the number of blocks, for one of a half or more.
WIDTH, DEPTH = 512, 8
# The EMA window of the weights, as a share of training.
AVERAGED = 0.05
# What the autoencoder takes over from the flow's settings, where they are given.
SHARED = ("epochs", "learning_rate", "decay", "width", "seed", "precision")


def latent_batches(latents: Latents, settings: Settings, first_epoch: int | None = None) -> Any:
    """Batches of latents with their photographs' embeddings.

    Args:
        latents: of one split.
        settings: a `cvae.training.settings.Settings`, of which batch size and seed count.
        first_epoch: for training, the epoch to begin with, of endless ones, each in an order of its own and with half
            of the photographs mirrored; None for all photographs once, as they are.

    Returns:
        A `tf.data.Dataset` of ((latent, embedding),), both float32.
    """
    tf = import_tensorflow()
    grids, embeddings = tf.constant(latents.grids), tf.constant(latents.embeddings)
    count, size = len(latents.embeddings), settings.batch_size

    def chosen_in(epoch):
        rng = np.random.default_rng([settings.seed, epoch])
        order = rng.permutation(count)[: count // size * size]
        return order.astype(np.int32), rng.integers(0, 2, len(order), np.int32)

    def pair(chosen, mirrored):
        grid = tf.gather_nd(grids, tf.stack([chosen, mirrored], axis=1))
        return ((tf.cast(grid, tf.float32), tf.gather(embeddings, chosen)),)

    if first_epoch is None:
        rows = tf.data.Dataset.range(count).map(lambda row: (tf.cast(row, tf.int32), 0))
    else:
        rows = tf.data.Dataset.from_generator(
            lambda: (chosen_in(epoch) for epoch in itertools.count(first_epoch)),
            output_signature=(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int32)),
        ).unbatch()
    return rows.batch(size).map(pair).prefetch(tf.data.AUTOTUNE)


class FlowTask(ShardTask):
    """See `cvae.training.task.Task`; `data` is a folder that clip_wrapper.py made."""

    def train_earlier_stages(self, run: Run) -> None:
        name, folder, latents = self.variant.autoencoder, run.folder / "autoencoder", run.folder / "latents"
        if (run.folder / LAST).is_file() and not (folder / BEST).is_file():
            raise UserError(
                f"{folder / BEST}, whose latents {run} learns, is not there any more; put it back, or begin anew with "
                "--overwrite."
            )
        if not has_latents_of(folder / BEST, latents):
            print(f"{name} first, whose latents {self.variant_name} learns:")
            train(name, self.info.folder, folder, self._autoencoder_settings(folder), resume=True)
        self.autoencoder = Run(folder).model()
        encode_latents(self.autoencoder, folder / BEST, self.info, latents)
        self.latents = {split: read_latents(self.info, latents, split) for split in ("train", "val")}

    def _autoencoder_settings(self, folder: Any) -> dict[str, Any]:
        # One that has begun goes on as it was, however long the flow is to be trained now.
        if (folder / LAST).is_file() and is_run(folder):
            return {"epochs": settings_of(Run(folder)).epochs}
        given = {name: getattr(self.settings, name) for name in SHARED}
        given["batch_size"] = min(self.settings.batch_size, find_variant(self.variant.autoencoder).batch_size)
        # If the flow uses its default, so does the autoencoder: 25 epochs beside the flow's 100.
        return {name: value for name, value in given.items() if name != "epochs" or name in self.given}

    def build(self) -> Any:
        from cvae.nn.optimizers import Adam
        from cvae.nn.precision import best_policy, wants_xla
        from cvae.systems.flow.model import LatentFlow

        settings, latents, held_out = self.settings, self.latents["train"], self.latents["val"]
        width = max(64, round(WIDTH * settings.width / 64) * 64)
        depth = max(2, round(DEPTH * min(1, 2 * settings.width)))
        policy = settings.precision or best_policy()
        model = LatentFlow(self.autoencoder, self.info.embedding_dim, width, depth, dtype=policy)
        model.adapt(latents.grids.reshape(-1, *latents.grids.shape[2:]))
        model.embedding_prior.fit(latents.texts, latents.embeddings, latents.ids)
        model.condition_noise = model.embedding_prior.error(held_out.texts, held_out.embeddings, held_out.ids)
        momentum = 1 - 1 / max(2, AVERAGED * settings.epochs * self.steps)
        optimizer = Adam(settings.learning_rate, 0.9, 0.99, use_ema=True, ema_momentum=momentum)
        model.compile(optimizer, jit_compile=wants_xla())
        return model

    def dataset(self, split: str, first_epoch: int = 0) -> Any:
        training = split == "train"
        return latent_batches(self.latents[split], self.settings, first_epoch if training else None)

    def callbacks(self, run: Run) -> list[Any]:
        from cvae.nn.ema import AverageWhenValidating

        return [AverageWhenValidating(), *super().callbacks(run)]
