import numpy as np
import pytest
import tensorflow as tf

from preprocess.utils.datasets import in_parts, streamed, untuned
from tests.helpers import is_tuned


def test_nothing_that_comes_after_is_tuned_either():
    dataset = tf.data.Dataset.range(6).map(lambda number: number + 1)
    assert is_tuned(dataset)
    assert not is_tuned(untuned(dataset)) and not is_tuned(untuned(dataset).map(lambda number: -number).batch(2))
    assert [int(number) for number in untuned(dataset)] == [1, 2, 3, 4, 5, 6]


def test_batches_are_streamed_as_they_come():
    def batches():
        for count in (3, 3, 2):
            yield np.full((count, 4), count, np.float32), (np.arange(count),)

    dataset = streamed(batches)
    assert not is_tuned(dataset)
    first, (second,) = dataset.element_spec
    assert first.shape.as_list() == [None, 4] and second.dtype == tf.int64
    for _ in range(2):
        found = [(len(values), values[0, 0], list(numbers)) for values, (numbers,) in dataset.as_numpy_iterator()]
        assert found == [(3, 3, [0, 1, 2]), (3, 3, [0, 1, 2]), (2, 2, [0, 1])]


@pytest.mark.parametrize(("size", "lengths"), [(2, [2, 2, 1]), (5, [5]), (7, [5])])
def test_an_array_comes_in_parts(size, lengths):
    dataset = in_parts(np.arange(5), size)
    assert not is_tuned(dataset) and len(dataset) == len(lengths)
    parts = list(dataset.as_numpy_iterator())
    assert [len(part) for part in parts] == lengths and np.concatenate(parts).tolist() == [0, 1, 2, 3, 4]
