"""Training the coursework's CVAE on embedded shards of photographs."""

from typing import Any

from cvae.systems.coursework import CourseworkVariant
from cvae.training.settings import Settings
from cvae.training.shard_task import ShardTask
from preprocess.utils.quiet import import_keras


def build_model(variant: CourseworkVariant, embedding_dim: int, settings: Settings) -> Any:
    """Builds and compiles the `ClipCVAE` of a variant."""
    import_keras()
    from cvae.nn.optimizers import Adam, scaled
    from cvae.nn.precision import best_policy, wants_xla
    from cvae.systems.coursework.model import ClipCVAE

    model = ClipCVAE(
        variant.image_size,
        dropout=variant.dropout,
        embedding_dim=embedding_dim,
        width=settings.width,
        dtype=settings.precision or best_policy(),
    )
    model.compile(scaled(Adam(settings.learning_rate), model), jit_compile=wants_xla())
    return model


class CourseworkTask(ShardTask):
    """See `cvae.training.task.Task`; `data` is a folder that clip_wrapper.py made."""

    shares_batches = True

    def build(self) -> Any:
        return build_model(self.variant, self.info.embedding_dim, self.settings)
