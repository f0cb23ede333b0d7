"""Training the autoencoder whose latents a flow learns."""

import functools
from typing import Any

import numpy as np

from cvae.runs import Run
from cvae.systems.flow.autoencoder_task import reconstruction_rows
from cvae.training.shard_task import ShardTask
from preprocess.shards.read import load
from preprocess.utils.quiet import import_keras

# The longest gradient. On photographs one in ten would be longer, some threefold; without a bound a training at 128 px,
# in batches of 4, went to black.
CLIP_NORM = 10.0
# Validation images in the grid after an epoch.
SHOWN = 6


class SpatialVAETask(ShardTask):
    """See `cvae.training.task.Task`; `data` is a folder that clip_wrapper.py made."""

    # In its second half the loss is that of opponents; the newest model is the best.
    validates = False
    mirrored = True
    # Convolutions know no size: squares of 64 px teach what holds at 128 px too, in a quarter of the time a step.
    crop = 64

    def prepare(self, run: Run) -> None:
        """Nothing: there are no prompts."""

    def build(self) -> Any:
        import_keras()
        from cvae.nn.optimizers import Adam, scaled
        from cvae.nn.precision import best_policy, wants_xla
        from cvae.systems.flow.spatial_vae import SpatialVAE

        settings = self.settings
        model = SpatialVAE(self.variant.image_size, width=settings.width, dtype=settings.precision or best_policy())
        optimizer = Adam(settings.learning_rate, 0.9, 0.99, global_clipnorm=CLIP_NORM)
        model.compile(scaled(optimizer, model), jit_compile=wants_xla())
        return model

    def dataset(self, split: str, first_epoch: int = 0) -> Any:
        return self.images(split, first_epoch).map(lambda image, condition: (image,))

    def callbacks(self, run: Run) -> list[Any]:
        from cvae.systems.flow.spatial_vae import CriticInSecondHalf
        from cvae.training.callbacks import GridPainter

        batch = load(self.info.folder, self.variant.image_size, "image", "val", SHOWN)
        images = np.asarray(next(iter(batch))[0])
        return [
            CriticInSecondHalf(self.settings.epochs),
            GridPainter(run.folder, functools.partial(reconstruction_rows, images)),
        ]
