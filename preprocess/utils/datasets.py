"""`tf.data.Dataset`s whose iterators end at once.

TensorFlow tunes how parallel a dataset is in rounds that lie ever farther apart, from 10 milliseconds to a minute, and
an iterator that is dropped, as by Keras after each `fit` and each validation, may wait for the next round: with
TensorFlow 2.21 a `fit` of 14 seconds took 20 every other time. On several devices of TensorFlow's it still may, since
`MirroredStrategy` puts datasets of its own behind this one.
"""

from collections.abc import Callable, Iterator
from typing import Any

from preprocess.utils.parallel import available_cores
from preprocess.utils.quiet import import_keras, import_tensorflow

# Elements that are read ahead: without tuning TensorFlow would read on and on where it chose how many.
AHEAD = 4


def untuned(dataset: Any) -> Any:
    """A `tf.data.Dataset` with as many threads as there are cores from the beginning, in place of tuning."""
    options = import_tensorflow().data.Options()
    options.autotune.enabled = False
    options.autotune.initial_parallelism = available_cores()
    return dataset.prefetch(AHEAD).with_options(options)


def streamed(batches: Callable[[], Iterator[Any]], count: int | None = None) -> Any:
    """A `tf.data.Dataset` of batches.

    Args:
        batches: begins a pass, the same each time, since Keras looks at the first batch before it begins: nested
            tuples of arrays (n, ...), of any n, but otherwise shaped as the first; at least one. It runs in a thread
            of its own, ahead of the training, and draws from no global seed.
        count: how many a pass has, where the dataset is to know it: else Keras warns at the end of a `predict` that
            there should be more.
    """
    tf = import_tensorflow()

    def spec(array):
        return tf.TensorSpec([None, *array.shape[1:]], tf.as_dtype(array.dtype))

    signature = import_keras().tree.map_structure(spec, next(batches()))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    if count is not None:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return untuned(dataset)


def in_parts(array: Any, size: int) -> Any:
    """A `tf.data.Dataset` of an array's rows, `size` at a time, for `predict`."""
    starts = range(0, len(array), size)
    return streamed(lambda: (array[start : start + size] for start in starts), len(starts))
