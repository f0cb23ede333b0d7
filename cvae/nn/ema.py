"""Running averages of a model's weights, which draw better pictures than the weights of any one step."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from cvae.nn.optimizers import own_optimizer


@contextlib.contextmanager
def averaged_weights(model: Any) -> Iterator[None]:
    """Has a model's weights be their running averages for a while, where its optimiser keeps any (`use_ema`).

    Swapped back bit by bit, which `keras.callbacks.SwapEMAWeights` does not do: a resumed training must go on as if
    nothing had been.
    """
    optimizer = own_optimizer(model)
    if not getattr(optimizer, "use_ema", False):
        yield
        return
    _swap(optimizer)
    try:
        yield
    finally:
        _swap(optimizer)


def _swap(optimizer):
    for weight, average in zip(optimizer._trainable_variables, optimizer._model_variables_moving_average):
        value = keras.ops.copy(weight.value)
        weight.assign(average)
        average.assign(value)


class AverageWhenValidating(keras.callbacks.Callback):
    """Validates the running averages in place of the weights."""

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.swapped = contextlib.ExitStack()
        self.swapped.enter_context(averaged_weights(self.model))

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self.swapped.close()
