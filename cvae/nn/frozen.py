"""Calling a network of which nothing is learned, as a model does with the critic that learns along with it."""

from typing import Any

from keras import ops

from preprocess.utils.types import Tensor


def call_frozen(critic: Any, inputs: Tensor) -> Any:
    """Calls a Keras model of which nothing is learned by it: gradients reach the inputs alone."""
    frozen = [ops.stop_gradient(weight.value) for weight in critic.trainable_variables]
    outputs, _ = critic.stateless_call(frozen, [weight.value for weight in critic.non_trainable_variables], inputs)
    return outputs
