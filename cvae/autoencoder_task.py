"""Training the autoencoder whose latents a flow learns."""

import functools

import numpy as np

from cvae.photo_task import PhotoTask
from cvae.training import wants_xla
from preprocess.datasets import load
from preprocess.quiet import import_keras

# The longest gradient. On photographs one in ten would be longer, some threefold; without a bound a training at 128 px,
# in batches of 4, went to black.
CLIP_NORM = 10.0
# Validation images in the grid after an epoch.
SHOWN = 6


class AutoencoderTask(PhotoTask):
    """See `cvae.task.Task`; `data` is a folder that clip_wrapper.py made."""

    # In its second half the loss is that of opponents; the newest model is the best.
    validates = False
    mirrored = True
    # Convolutions know no size: squares of 64 px teach what holds at 128 px too, in a quarter of the time a step.
    crop = 64

    def prepare(self, run):
        """Nothing: there are no prompts."""

    def build(self):
        import_keras()
        from cvae.optimizers import Adam
        from cvae.precision import best_policy
        from cvae.spatial_vae import SpatialVAE

        settings = self.settings
        policy = settings.precision or best_policy()
        model = SpatialVAE(self.variant.image_size, width=settings.width, dtype=policy)
        optimizer = Adam(settings.learning_rate, 0.9, 0.99, global_clipnorm=CLIP_NORM)
        model.compile(optimizer, jit_compile=wants_xla())
        return model

    def dataset(self, split, first_epoch=0):
        return self.images(split, first_epoch).map(lambda image, condition: (image,))

    def callbacks(self, run):
        from cvae.callbacks import CriticInSecondHalf, GridPainter

        batch = load(self.info.folder, self.variant.image_size, "image", "val", SHOWN)
        images = np.asarray(next(iter(batch))[0])
        return [CriticInSecondHalf(self.settings.epochs), GridPainter(run, functools.partial(_rows, images))]


def _rows(images, model):
    reconstructions = np.asarray(model.decode(model.encode(images)[0]))
    return np.stack([images, reconstructions]), ["image", "reconstruction"]
