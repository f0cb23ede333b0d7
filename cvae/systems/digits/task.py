"""Training the CLIP-VAE on handwritten digits."""

import pathlib
from typing import Any

import numpy as np

from cvae.runs import Run
from cvae.systems.digits.generate import draw_labels
from cvae.training.settings import Settings
from cvae.training.task import Task
from preprocess.mnist import LABELS, load_digits
from preprocess.utils.datasets import untuned
from preprocess.utils.errors import UserError
from preprocess.utils.quiet import import_keras, import_tensorflow

# One training digit in twelve helps to choose the best epoch; the test digits have no part in training.
VALIDATION_SHARE = 12
# Pictures of each label in the grid after an epoch.
GRID_COLUMNS = 10
# Steps between two returns to Python, at most: that would cost as much as a step of so small a model.
STEPS_AT_ONCE = 25


def steps_at_once(steps: int) -> int:
    """How many of an epoch's steps to take at once: the number up to `STEPS_AT_ONCE` that leaves the fewest over."""
    most = max(1, min(STEPS_AT_ONCE, steps))
    return min(range((most + 1) // 2, most + 1), key=lambda number: (steps % number, -number))


def epoch_steps(count: int, batch_size: int) -> int:
    """Steps an epoch of `count` digits: whole batches, without those that would be left over by `steps_at_once`."""
    steps = count // batch_size
    return steps - steps % steps_at_once(steps)


def build_model(settings: Settings, steps: int, **model: Any) -> Any:
    """Builds and compiles a `ClipVAE` with arguments `model`, to be trained `steps` steps an epoch."""
    import_keras()
    from cvae.nn.optimizers import Adam, scaled
    from cvae.nn.precision import best_policy, wants_xla
    from cvae.systems.digits.model import ClipVAE

    # The perceptrons' products are too small to gain anything from bfloat16.
    policy = best_policy() if model.get("convolutional") else "float32"
    built = ClipVAE(**model, dtype=settings.precision or policy)
    built.compile(
        scaled(Adam(settings.learning_rate), built),
        jit_compile=wants_xla(),
        steps_per_execution=steps_at_once(steps),
    )
    return built


def digit_batches(
    images: np.ndarray,
    labels: np.ndarray,
    settings: Settings,
    first_epoch: int | None = None,
    binarised: float = 0.0,
) -> Any:
    """Makes a dataset for `fit` of digits in memory.

    Args:
        images, labels: uint8 (n, 28, 28, 1) and int32 (n,).
        settings: `Settings`.
        first_epoch: where an endless dataset begins, of `epoch_steps` batches an epoch in an order of its own; None for
            one pass in order.
        binarised: share of the images whose pixels are each made 0 or 1 by lot with their own probability.

    Returns:
        A `tf.data.Dataset` of ((image, label),): float32 in [0, 1], int32.
    """
    tf = import_tensorflow()
    images, labels = tf.constant(images), tf.constant(labels)
    count, size = len(labels), settings.batch_size

    def shuffled(epoch):
        seed = tf.stack([settings.seed, tf.cast(epoch, tf.int32)])
        order = tf.random.experimental.stateless_shuffle(tf.range(count), seed)
        batches = tf.data.Dataset.from_tensor_slices(order).batch(size, drop_remainder=True)
        return batches.take(epoch_steps(count, size)).map(lambda chosen: (epoch, chosen))

    def pair(epoch, chosen):
        image = tf.cast(tf.gather(images, chosen), tf.float32) / 255
        if binarised:
            # One seed an epoch and its batch, by the batch's first image.
            epoch_seed = tf.random.experimental.stateless_fold_in([settings.seed, 0], epoch)
            seeds = tf.random.experimental.stateless_split(
                tf.random.experimental.stateless_fold_in(epoch_seed, chosen[0]), 2
            )
            lots = tf.random.stateless_uniform(tf.shape(image), seeds[0])
            which = tf.random.stateless_uniform((tf.shape(image)[0], 1, 1, 1), seeds[1]) < binarised
            image = tf.where(which, tf.cast(lots < image, tf.float32), image)
        return ((image, tf.gather(labels, chosen)),)

    if first_epoch is None:
        orders = tf.data.Dataset.range(count).batch(size).map(lambda chosen: (0, tf.cast(chosen, tf.int32)))
    else:
        orders = tf.data.Dataset.range(first_epoch, np.iinfo(np.int32).max).flat_map(shuffled)
    return untuned(orders.map(pair, num_parallel_calls=tf.data.AUTOTUNE))


class DigitTask(Task):
    """See `cvae.training.task.Task`; `data` is what `preprocess.mnist.load_digits` takes."""

    def open_data(self, data: str | pathlib.Path | None) -> tuple[int, dict[str, Any]]:
        self.digits = load_digits(str(data) if data else None)
        count = len(self.digits.labels["train"])
        validation = np.arange(count) % VALIDATION_SHARE == 0
        self.rows = {"train": np.flatnonzero(~validation), "val": np.flatnonzero(validation)}
        return len(self.rows["train"]), {
            "data": data and str(data),
            "digits": self.digits.describe(),
            "checksum": self.digits.checksum(),
        }

    @property
    def steps(self) -> int:
        return epoch_steps(self.count, self.settings.batch_size)

    def has_data_of(self, run: Run) -> bool:
        return run.config.get("checksum") == self.config["checksum"]

    def check_data(self) -> None:
        print(f"note: {self.digits.describe()}.")
        if self.steps < 1:
            raise UserError(f"{self.count} digits are fewer than one batch; use a smaller --batch-size.")

    def build(self) -> Any:
        # Narrower convolutions, of width / 2 channels, learn nothing.
        width = max(4, round(self.variant.width * self.settings.width))
        return build_model(self.settings, self.steps, width=width, **self.variant.model)

    def dataset(self, split: str, first_epoch: int = 0) -> Any:
        rows = self.rows[split]
        images, labels = self.digits.images["train"][rows], self.digits.labels["train"][rows]
        if split != "train":
            return digit_batches(images, labels, self.settings)
        return digit_batches(images, labels, self.settings, first_epoch, self.variant.binarised)

    def callbacks(self, run: Run) -> list[Any]:
        from cvae.training.callbacks import GridPainter

        def rows(model):
            labels = range(LABELS)
            return draw_labels(model, labels, GRID_COLUMNS, self.settings.seed), [str(label) for label in labels]

        return [GridPainter(run.folder, rows)]
