"""Training the autoencoder, on shards with or without embeddings."""

import functools
import pathlib
from typing import Any

import numpy as np

from cvae.runs import Run
from cvae.systems.flow import AutoencoderVariant, SpatialVAEVariant
from cvae.systems.flow.stages import PRESET
from cvae.training.shard_task import ShardTask
from preprocess.shards.info import read_info
from preprocess.utils.errors import UserError
from preprocess.utils.quiet import import_keras, import_tensorflow

# The longest gradient.
CLIP_NORM = 1.0
# The EMA window of the weights, in steps.
AVERAGED = 1000
# Validation images that are measured after an epoch, about, where there are many, and that are shown in the grid.
VALIDATED, SHOWN = 400, 8


class AutoencoderTask(ShardTask):
    """See `cvae.training.task.Task`; `data` is a folder of shards, with embeddings or without."""

    mirrored = True
    # Convolutions know no size: squares of 64 px, parts and reduced images, teach what holds at 128 px too.
    crop = 64
    reduced = True
    # Adam's first beta.
    memory = 0.9

    def open_data(self, data: str | pathlib.Path | None) -> tuple[int, dict[str, Any]]:
        self.info = info = read_info(str(self.data_folder(data)), embedded=False)
        return info.counts["train"], {
            "data": str(info.folder.resolve()),
            "data_settings": info.settings,
            "drawn_by": info.drawn_by,
        }

    @property
    def image_size(self) -> int:
        # As large as they are, since squares are cut out of them.
        return max((size for size in self.info.sizes if size <= self.variant.image_size), default=self.crop)

    def check_fits(self, run: Run) -> None:
        """Any images fit."""

    def has_data_of(self, run: Run) -> bool:
        return run.config["data_settings"] == self.info.settings

    def prepare(self, run: Run) -> None:
        """Nothing: there are no prompts."""

    def build(self) -> Any:
        import_keras()
        from cvae.nn.optimizers import Adam, scaled
        from cvae.nn.precision import wants_xla

        settings, model = self.settings, self.new_model()
        momentum = 1 - 1 / max(2, min(AVERAGED, settings.epochs * self.steps // 20))
        optimizer = Adam(
            settings.learning_rate, self.memory, 0.99, global_clipnorm=CLIP_NORM, use_ema=True, ema_momentum=momentum
        )
        model.compile(scaled(optimizer, model), jit_compile=wants_xla())
        return model

    def new_model(self) -> Any:
        """The model before its training."""
        from cvae.nn.precision import best_policy
        from cvae.systems.flow.autoencoder import Autoencoder

        return Autoencoder(width=self.settings.width, dtype=self.settings.precision or best_policy())

    def dataset(self, split: str, first_epoch: int = 0) -> Any:
        images = self.images(split, first_epoch).map(lambda image, nothing: image)
        if split == "val":
            images = self._some(images, VALIDATED).batch(self.settings.batch_size)
        return images.map(lambda image: (image,))

    def _some(self, batches: Any, count: int) -> Any:
        """About `count` of the validation images one by one, from all over, since their order is the archives'."""
        held_out = self.info.counts["val"]
        every = max(1, held_out // count)
        some = batches.unbatch().shard(every, 0)
        # Otherwise the last batch would be thought to be whole.
        return some.apply(import_tensorflow().data.experimental.assert_cardinality(-(-held_out // every)))

    def callbacks(self, run: Run) -> list[Any]:
        from cvae.nn.ema import AverageWhenValidating
        from cvae.training.callbacks import GridPainter

        batches = self.images("val").map(lambda image, nothing: image)
        images = np.stack([np.asarray(image) for image in self._some(batches, SHOWN).take(SHOWN)])
        return [AverageWhenValidating(), GridPainter(run.folder, functools.partial(reconstruction_rows, images))]


class SharpAutoencoderTask(AutoencoderTask):
    """See `AutoencoderTask`; begins with an autoencoder, `--init` or the one that comes along."""

    # By the loss without the critic the first epoch would be the best.
    validates = False
    memory = 0.5

    def check_options(self) -> None:
        run = Run(self.options.get("init", PRESET))
        if not isinstance(run.variant, AutoencoderVariant) or isinstance(run.variant, SpatialVAEVariant):
            raise UserError(f"{run} is a {run.variant_name}; give --init the run of an autoencoder.")
        run.find_model()
        if "width" in self.given:
            raise UserError("a sharp-autoencoder is as wide as what it begins with; leave --width out.")

    def new_model(self) -> Any:
        from cvae.nn.precision import best_policy
        from cvae.systems.flow.sharp_autoencoder import SharpAutoencoder

        source = Run(self.options.get("init", PRESET)).model()
        model = SharpAutoencoder(source.latent_channels, source.width, dtype=self.settings.precision or best_policy())
        model.begin_with(source)
        return model


def reconstruction_rows(images: np.ndarray, model: Any) -> tuple[np.ndarray, list[str]]:
    """A grid's two rows, (2, n, size, size, 3), and their labels: images and what an autoencoder makes of them."""
    pictures = np.asarray(model.decode(model.encode(images)[0]))
    return np.stack([images, pictures]), ["image", "reconstruction"]
