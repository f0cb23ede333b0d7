"""Training models of portraits on embedded shards with attributes."""

from cvae.photo_task import PhotoTask
from cvae.prompts import PORTRAIT_PROMPTS
from cvae.training import wants_xla
from preprocess.quiet import import_keras


class PortraitTask(PhotoTask):
    """See `cvae.task.Task`; `data` is a folder that preprocess.celeba and clip_wrapper.py made."""

    prompts = PORTRAIT_PROMPTS

    def build(self):
        import_keras()
        from cvae.attribute_cvae import AttributeCVAE
        from cvae.optimizers import Adam
        from cvae.precision import best_policy

        model = AttributeCVAE(
            self.info.condition_dim(self.variant.condition),
            width=self.settings.width,
            dtype=self.settings.precision or best_policy(),
        )
        model.compile(Adam(self.settings.learning_rate), jit_compile=wants_xla())
        return model
