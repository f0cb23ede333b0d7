import itertools

import numpy as np
import pytest

from cvae.systems.digits.task import STEPS_AT_ONCE, digit_batches, epoch_steps, steps_at_once
from cvae.training.settings import Settings
from tests.helpers import is_tuned


@pytest.mark.parametrize("steps", [1, 2, 7, 25, 26, 275, 937, 938])
def test_few_steps_are_left_over(steps):
    at_once = steps_at_once(steps)
    assert min(steps, STEPS_AT_ONCE) / 2 <= at_once <= STEPS_AT_ONCE
    # 937 is a prime number; 936 are 39 times 24.
    assert steps % at_once <= 2


def test_epochs_are_permutations_and_begin_anywhere():
    labels = np.arange(90, dtype=np.int32)
    images = np.repeat(labels.astype(np.uint8), 784).reshape(-1, 28, 28, 1)
    settings = Settings(batch_size=10, seed=3)
    steps = epoch_steps(90, 10)
    data = digit_batches(images, labels, settings, 0)
    assert not is_tuned(data)
    batches = list(itertools.islice(data, 2 * steps))
    shown = [
        np.concatenate([np.asarray(label) for ((_, label),) in part]) for part in (batches[:steps], batches[steps:])
    ]
    assert all(sorted(epoch) == list(range(90)) for epoch in shown) and list(shown[0]) != list(shown[1])
    ((image, label),) = next(iter(digit_batches(images, labels, settings, 1)))
    np.testing.assert_array_equal(label, shown[1][:10])
    np.testing.assert_allclose(image[:, 5, 5, 0], np.asarray(label) / 255, rtol=1e-6)


def test_pixels_of_some_images_are_drawn_by_lot():
    images, labels = np.full((400, 28, 28, 1), 51, np.uint8), np.zeros(400, np.int32)
    batches = digit_batches(images, labels, Settings(batch_size=100), 0, binarised=0.25)
    shown = np.concatenate([np.asarray(image) for ((image, _),) in itertools.islice(batches, 4)])
    of_lots = np.all((shown == 0) | (shown == 1), axis=(1, 2, 3))
    assert 70 < of_lots.sum() < 130
    # Their grey is kept in the mean, and no two are alike.
    assert abs(shown[of_lots].mean() - 0.2) < 0.01 and np.allclose(shown[~of_lots], 0.2)
    assert len(np.unique(shown[of_lots], axis=0)) == of_lots.sum()
    again = np.concatenate([np.asarray(image) for ((image, _),) in itertools.islice(batches, 4)])
    np.testing.assert_allclose(again, shown, atol=1e-6)
