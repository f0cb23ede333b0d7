"""What a training depends on besides its variant and data."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from cvae.registry import Variant
from preprocess.utils.errors import UserError, check_whole, counted

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
# Where data are few, a batch is halved until an epoch has 20 steps, or the batch 8 images.
EPOCH_STEPS, SMALLEST_BATCH = 20, 8


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a training depends on besides its variant and data; kept in run.json.

    Attributes:
        epochs: epochs in all. batch_size: pairs a step. learning_rate: Adam's, in the first epoch if it decays.
        decay: whether the learning rate falls to nearly 0, epoch by epoch along half a cosine.
        width: factor on the model's channels. seed: of weights, noise and order.
        precision: a Keras dtype policy; None for what `cvae.nn.precision.best_policy` says.
        extended: the numbers of epochs after which it was given more of them; see `learning_rate_of`.
    """

    epochs: int = 25
    batch_size: int = 32
    learning_rate: float = 5e-4
    decay: bool = False
    width: float = 1.0
    seed: int = 0
    precision: str | None = None
    extended: tuple[int, ...] = ()

    def learning_rate_of(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0.

        Where a training that decays was given more epochs, it warms up again and decays over those that are left.
        """
        if not self.decay:
            return self.learning_rate
        first = max((end for end in self.extended if end <= epoch), default=0)
        last = min((end for end in self.extended if end > epoch), default=self.epochs)
        rate = self.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - first) / (last - first)))
        return rate * (0.5 if first and epoch == first else 1.0)


NAMES = tuple(field.name for field in dataclasses.fields(Settings) if field.name != "extended")


def check_given(given: Mapping[str, Any]) -> None:
    """Raises a UserError for a value of `Settings` that cannot be."""
    if unknown := set(given) - set(NAMES) - {"extended"}:
        raise UserError(f"there is no setting {sorted(unknown)[0]}; the settings are {', '.join(NAMES)}.")
    for name, least in (("epochs", 1), ("batch_size", 2), ("seed", 0)):
        if name in given:
            check_whole(name.replace("_", "-"), given[name], least)
    if not isinstance(given.get("decay", False), (bool, type(None))):
        raise UserError("--decay must be true or false.")
    if given.get("seed", 0) >= 2**31:
        raise UserError("--seed must be below 2147483648.")
    for name, most in (("width", 4), ("learning_rate", 1)):
        number = given.get(name, most)
        if not isinstance(number, (int, float)) or not 0 < number <= most:
            raise UserError(f"--{name.replace('_', '-')} must be a number above 0, {most} at most.")
    if given.get("precision") not in (None, *PRECISIONS):
        raise UserError(f"--precision must be one of: {', '.join(PRECISIONS)}.")


def settings_for(variant: Variant, given: Mapping[str, Any], count: int) -> Settings:
    """The `Settings` of a training: those given, and the variant's own as they suit the number of training examples.

    Args:
        variant: the variant. given: {name: value} of `Settings`. count: training examples.

    Raises:
        UserError: a value that cannot be.
    """
    check_given(given)
    batch_size = variant.batch_size
    while count // batch_size < EPOCH_STEPS and batch_size // 2 >= SMALLEST_BATCH:
        batch_size //= 2
    batch_size = given.get("batch_size", batch_size)
    steps = max(1, count // batch_size)
    own = {
        # Never a training that is known to give nothing.
        "epochs": max(variant.epochs, -(-variant.least_steps // steps)),
        "batch_size": batch_size,
        "learning_rate": variant.learning_rate,
        "decay": variant.decay,
    }
    return Settings(**{**own, **given})


def describe_defaults(variant: Variant) -> str:
    """A variant's defaults, in words."""
    decay = ", falling to nearly 0" if variant.decay else ""
    data = f"; data in {variant.data}" if variant.data else ""
    return (
        f"{variant.epochs} epochs (more where that is under {variant.least_steps:,} steps), batches of "
        f"{variant.batch_size}, learning rate {variant.learning_rate:g}{decay}{data}"
    )


def warn_of_few_steps(variant: Variant, settings: Settings, epoch_steps: int) -> None:
    """Prints a note where a training of `epoch_steps` steps an epoch has so few that nothing is known to come of it."""
    steps = settings.epochs * epoch_steps
    if steps < variant.least_steps:
        epochs = counted(settings.epochs, "epoch")
        smaller = ", or a smaller --batch-size" if settings.batch_size > SMALLEST_BATCH else ""
        print(
            f"note: {epochs} of {counted(epoch_steps, 'step')} are {steps:,} steps in all. "
            f"Below {variant.least_steps:,} steps pictures are known to come out as noise or blur: give more --epochs"
            f"{smaller}."
        )
