"""Training models of portraits on embedded shards with attributes."""

from cvae.photo_task import PhotoTask
from cvae.prompts import PORTRAIT_PROMPTS
from cvae.runs import BEST, load_model
from cvae.training import wants_xla
from preprocess.datasets import load
from preprocess.errors import UserError
from preprocess.files import atomic_path
from preprocess.quiet import import_keras


def build_model(variant, condition_dim, settings):
    """Builds and compiles the model of a `cvae.variants.PortraitVariant`."""
    import_keras()
    from cvae.attribute_cvae import AttributeCVAE
    from cvae.clip_cvae_gan import ClipCVAEGAN
    from cvae.clip_wgan_gp import ClipWGANGP
    from cvae.optimizers import Adam
    from cvae.precision import best_policy

    # Adam's betas: Keras' own; DCGAN's (Radford et al. 2016); and those of Gulrajani et al. 2017.
    kind, betas = {
        "cvae": (AttributeCVAE, (0.9, 0.999)),
        "cvae-gan": (ClipCVAEGAN, (0.5, 0.999)),
        "wgan-gp": (ClipWGANGP, (0.0, 0.9)),
    }[variant.model]
    model = kind(condition_dim, width=settings.width, dtype=settings.precision or best_policy())
    model.compile(Adam(settings.learning_rate, *betas), jit_compile=wants_xla())
    return model


class PortraitTask(PhotoTask):
    """See `cvae.task.Task`; `data` is a folder that preprocess.celeba and clip_wrapper.py made."""

    prompts = PORTRAIT_PROMPTS
    mirrored = True

    @property
    def validates(self):
        return self.variant.model == "cvae"

    def check_data(self):
        if self.variant.model == "wgan-gp" and import_keras().backend.backend() != "tensorflow":
            raise UserError(f"{self.variant_name} trains on TensorFlow only; set KERAS_BACKEND=tensorflow.")
        super().check_data()

    def finish(self, run):
        """Fits the prior of a CVAE; a GAN's decoder has been trained on plain noise."""
        if self.variant.model != "cvae" or (model := load_model(run)).has_prior:
            return
        size, condition, batch_size = self.variant.image_size, self.variant.condition, self.settings.batch_size
        model.fit_prior(load(self.info.folder, size, condition, "train", batch_size))
        with atomic_path(run / BEST) as partial:
            model.save(partial)

    def build(self):
        return build_model(self.variant, self.info.condition_dim(self.variant.condition), self.settings)
