"""Training models of portraits on embedded shards with attributes."""

from collections.abc import Sequence
from typing import Any

from cvae.keras_files import BEST
from cvae.runs import Run
from cvae.systems.faces import FaceVariant
from cvae.systems.faces.conditions import PROMPTS
from cvae.training.settings import Settings
from cvae.training.shard_task import ShardTask
from preprocess.shards.read import load
from preprocess.utils.errors import UserError
from preprocess.utils.files import atomic_path
from preprocess.utils.quiet import import_keras


def build_model(variant: FaceVariant, condition_dim: int, settings: Settings) -> Any:
    """Builds and compiles the model of a `cvae.systems.faces.FaceVariant`."""
    import_keras()
    from cvae.nn.optimizers import Adam, scaled
    from cvae.nn.precision import best_policy, wants_xla
    from cvae.systems.faces.cvae import AttributeCVAE
    from cvae.systems.faces.cvae_gan import ClipCVAEGAN
    from cvae.systems.faces.wgan_gp import ClipWGANGP

    # Adam's betas: Keras' own; DCGAN's (Radford et al. 2016); and those of Gulrajani et al. 2017.
    kind: Any
    kind, betas = {
        "cvae": (AttributeCVAE, (0.9, 0.999)),
        "cvae-gan": (ClipCVAEGAN, (0.5, 0.999)),
        "wgan-gp": (ClipWGANGP, (0.0, 0.9)),
    }[variant.model]
    model = kind(condition_dim, width=settings.width, dtype=settings.precision or best_policy())
    model.compile(scaled(Adam(settings.learning_rate, *betas), model), jit_compile=wants_xla())
    return model


class FaceTask(ShardTask):
    """See `cvae.training.task.Task`; `data` is a folder that preprocess.celeba.build and clip_wrapper.py made."""

    mirrored = True

    @property
    def validates(self) -> bool:
        return self.variant.model == "cvae"

    # A critic's loss is of whole batches, and no measure of epochs.
    shares_batches = validates

    def default_prompts(self) -> Sequence[str]:
        return PROMPTS

    def check_data(self) -> None:
        if self.variant.model == "wgan-gp" and import_keras().backend.backend() != "tensorflow":
            raise UserError(f"{self.variant_name} trains on TensorFlow only; set KERAS_BACKEND=tensorflow.")
        super().check_data()

    def finish(self, run: Run) -> None:
        """Fits the prior of a CVAE; a GAN's decoder has been trained on plain noise."""
        if self.variant.model != "cvae" or (model := run.model()).has_prior:
            return
        size, condition, batch_size = self.variant.image_size, self.variant.condition, self.settings.batch_size
        model.fit_prior(load(self.info.folder, size, condition, "train", batch_size))
        with atomic_path(run.folder / BEST) as partial:
            model.save(partial)

    def build(self) -> Any:
        return build_model(self.variant, self.info.condition_dim(self.variant.condition), self.settings)
