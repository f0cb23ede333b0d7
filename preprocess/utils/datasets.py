"""`tf.data.Dataset`s whose iterators end at once.

TensorFlow tunes how parallel a dataset is in rounds that lie ever farther apart, from 10 milliseconds to a minute, and
an iterator that is dropped, as by Keras after each `fit` and each validation, may wait for the next round: with
TensorFlow 2.21 a `fit` of 14 seconds took 20 every other time.
"""

from collections.abc import Callable, Iterator
from typing import Any

from preprocess.utils.quiet import import_keras, import_tensorflow


def untuned(dataset: Any) -> Any:
    """A `tf.data.Dataset` as it is, with as many threads as there are cores from the beginning in place of tuning."""
    options = import_tensorflow().data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def streamed(batches: Callable[[], Iterator[Any]]) -> Any:
    """A `tf.data.Dataset` of batches.

    Args:
        batches: begins a pass, the same each time, since Keras looks at the first batch before it begins: nested
            tuples of arrays (n, ...), of any n, but otherwise shaped as the first; at least one.
    """
    tf = import_tensorflow()

    def spec(array):
        return tf.TensorSpec([None, *array.shape[1:]], tf.as_dtype(array.dtype))

    signature = import_keras().tree.map_structure(spec, next(batches()))
    return untuned(tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2))


def in_parts(array: Any, size: int) -> Any:
    """A `tf.data.Dataset` of an array's rows, `size` at a time, for `predict`."""
    return untuned(import_tensorflow().data.Dataset.from_tensor_slices(array).batch(size))
