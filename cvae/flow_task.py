"""Training a flow on latents: the autoencoder first, then its latents once, then the flow itself."""

import itertools

import numpy as np

from cvae.latents import encode_latents, has_latents_of, read_latents
from cvae.photo_task import PhotoTask
from cvae.runs import BEST, LAST, load_model, read_config
from cvae.training import Settings, settings_of, train, wants_xla
from cvae.variants import find_variant
from preprocess.errors import UserError
from preprocess.quiet import import_tensorflow

# The flow's numbers a token, for a width of 1, and its blocks, for one of a half or more.
WIDTH, DEPTH = 512, 8
# The averages of weights reach back over so large a part of training.
AVERAGED = 0.05


def latent_batches(latents, settings, first_epoch=None):
    """Batches of latents with their photographs' embeddings.

    Args:
        latents: a `cvae.latents.Latents`.
        settings: a `cvae.training.Settings`, of which batch size and seed count.
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


class FlowTask(PhotoTask):
    """See `cvae.task.Task`; `data` is a folder that clip_wrapper.py made."""

    def train_earlier_stages(self, run):
        name, settings, folder = self.variant.autoencoder, self.settings, run / "autoencoder"
        if (run / LAST).is_file() and not (folder / BEST).is_file():
            raise UserError(
                f"{folder}, whose latents {run} learns, is not there any more; put it back, or begin anew with "
                "--overwrite."
            )
        shared = ("epochs", "learning_rate", "decay", "width", "seed", "precision")
        given = {key: getattr(settings, key) for key in shared}
        given["batch_size"] = min(settings.batch_size, find_variant(name).settings["batch_size"])
        # One that has begun goes on as it was, however long the flow is to be trained now.
        stage = Settings(**read_config(folder)["settings"]) if (folder / LAST).is_file() else settings_of(name, given)
        if not has_latents_of(folder / BEST, run / "latents"):
            print(f"{name} first, whose latents {self.variant_name} learns:")
            train(name, self.info.folder, folder, stage, resume=True)
        self.autoencoder = load_model(folder)
        encode_latents(self.autoencoder, folder / BEST, self.info, run / "latents")
        self.latents = {split: read_latents(self.info, run / "latents", split) for split in ("train", "val")}

    def build(self):
        from cvae.latent_flow import LatentFlow
        from cvae.optimizers import Adam
        from cvae.precision import best_policy

        settings, latents = self.settings, self.latents["train"]
        width = max(64, round(WIDTH * settings.width / 64) * 64)
        depth = max(2, round(DEPTH * min(1, 2 * settings.width)))
        policy = settings.precision or best_policy()
        model = LatentFlow(self.autoencoder, self.info.embedding_dim, width, depth, dtype=policy)
        model.adapt(latents.grids.reshape(-1, *latents.grids.shape[2:]))
        model.prior.fit(latents.texts, latents.embeddings, latents.ids)
        held_out = self.latents["val"]
        model.condition_noise = model.prior.error(held_out.texts, held_out.embeddings, held_out.ids)
        momentum = 1 - 1 / max(2, AVERAGED * settings.epochs * self.steps)
        optimizer = Adam(settings.learning_rate, 0.9, 0.99, use_ema=True, ema_momentum=momentum)
        model.compile(optimizer, jit_compile=wants_xla())
        return model

    def dataset(self, split, first_epoch=0):
        training = split == "train"
        return latent_batches(self.latents[split], self.settings, first_epoch if training else None)

    def callbacks(self, run):
        from cvae.averaging import AverageWhenValidating

        return [AverageWhenValidating(), *super().callbacks(run)]
