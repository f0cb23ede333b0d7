"""Calling a network with frozen weights, as a model calls the critic that it is trained against."""

from typing import Any

from keras import ops

from preprocess.utils.types import Tensor


def call_frozen(critic: Any, inputs: Tensor) -> Any:
    """Calls a Keras model with frozen weights: gradients flow to its inputs only."""
    frozen = [ops.stop_gradient(weight.value) for weight in critic.trainable_variables]
    outputs, _ = critic.stateless_call(frozen, [weight.value for weight in critic.non_trainable_variables], inputs)
    return outputs
