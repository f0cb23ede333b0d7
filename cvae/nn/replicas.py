"""What the replicas of a model share where TensorFlow splits each batch among devices (`tf.distribute`).

Each replica runs the model on a part of the batch of its own. What is drawn or reduced by these functions is what one
device would draw or reduce for the whole batch, so that trainings do not depend on the number of devices. On JAX, whose
programs see the whole batch however it lies, and on one device they do nothing else than Keras.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from preprocess.utils.types import Tensor


def _context() -> Any:
    """TensorFlow's replica context where there are several replicas, else None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context() if tf.distribute.get_strategy().num_replicas_in_sync > 1 else None


def _own_part(draw: Any, shape: Sequence[Any]) -> Tensor:
    """This replica's rows of what `draw` gives for the shape of the whole batch; replicas have equal parts of it."""
    context = _context()
    if context is None:
        return draw(shape)
    count = shape[0]
    whole = draw((count * context.num_replicas_in_sync, *shape[1:]))
    start = count * context.replica_id_in_sync_group
    return whole[start : start + count]


def normal(shape: Sequence[Any], seed: Any) -> Tensor:
    """`keras.random.normal` in float32; the first dimension is the batch's."""
    return _own_part(lambda whole: keras.random.normal(whole, dtype="float32", seed=seed), tuple(shape))


def uniform(shape: Sequence[Any], seed: Any) -> Tensor:
    """`keras.random.uniform` in float32; the first dimension is the batch's."""
    return _own_part(lambda whole: keras.random.uniform(whole, dtype="float32", seed=seed), tuple(shape))


def dropout(inputs: Tensor, rate: float, seed: Any) -> Tensor:
    """`keras.random.dropout`; the first dimension is the batch's."""
    if _context() is None:
        return keras.random.dropout(inputs, rate, seed=seed)
    shape = tuple(ops.shape(inputs))
    return inputs * _own_part(lambda whole: keras.random.dropout(ops.ones(whole), rate, seed=seed), shape)


def share_loss(loss: Tensor) -> Tensor:
    """A replica's share of the batch's mean loss: gradients, and Keras' own figure, are sums over replicas."""
    context = _context()
    return loss if context is None else loss / context.num_replicas_in_sync


def summed(gradients: list[Any]) -> list[Any]:
    """Gradients, or Nones, summed over replicas."""
    context = _context()
    if context is None:
        return gradients
    known = iter(context.all_reduce("SUM", [gradient for gradient in gradients if gradient is not None]))
    return [gradient if gradient is None else next(known) for gradient in gradients]


def all_of(flag: Tensor) -> Tensor:
    """Whether a flag is true on all replicas."""
    context = _context()
    return flag if context is None else context.all_reduce("MIN", ops.cast(flag, "int32")) > 0


def several() -> bool:
    """Whether there are several replicas."""
    return _context() is not None
