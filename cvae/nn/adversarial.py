"""What the models that learn along with a critic, in one step and by one optimiser, have in common."""

from typing import Any

from keras import ops

from preprocess.utils.types import Tensor


def call_frozen(critic: Any, inputs: Tensor) -> Any:
    """Calls a Keras model of which nothing is learned by it: gradients reach the inputs alone."""
    frozen = [ops.stop_gradient(weight.value) for weight in critic.trainable_variables]
    outputs, _ = critic.stateless_call(frozen, [weight.value for weight in critic.non_trainable_variables], inputs)
    return outputs
