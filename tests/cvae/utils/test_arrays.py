import numpy as np
import pytest

from cvae.utils.arrays import combine, further_noise, in_batches, slerp, to_one_size, to_uint8
from preprocess.utils.errors import UserError


def test_rows_stay_in_order_and_progress_counts_them():
    done = []
    a, b = np.arange(10.0), np.arange(10.0) * 2
    np.testing.assert_array_equal(in_batches(lambda x, y: y - x, a, b, size=4, progress=done.append), a)
    assert done == [4, 4, 2]


def test_further_noise_follows_from_each_row_alone():
    noise = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    further = further_noise(noise, 50)
    assert further.dtype == np.float32 and np.array_equal(further_noise(noise[7:9], 50), further[7:9])
    assert abs(further.mean()) < 0.05 and abs(further.std() - 1) < 0.05 and len(np.unique(further)) > 9000


def test_slerp_keeps_to_the_sphere_and_meets_both_ends():
    a, b = np.eye(3, dtype=np.float32)[:2]
    path = slerp(a, b, 5)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(path[[0, 2, 4]], [a, (a + b) / np.sqrt(2), b], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(slerp(2 * a, 4 * b, 3), axis=1), [2, 3, 4], atol=1e-6)
    np.testing.assert_allclose(slerp(a, a, 3), [a, a, a], atol=1e-6)


def test_combine_adds_and_takes_away():
    a, b, c = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(combine([a, c], [b]), (a - b + c) / np.sqrt(3), atol=1e-6)
    np.testing.assert_allclose(combine([a + b], [b]), a, atol=1e-6)
    with pytest.raises(UserError, match="cancel each other out"):
        combine([a], [a])


def test_floats_become_bytes():
    assert to_uint8([0, 0.5, 1, 2, -1]).tolist() == [0, 128, 255, 255, 0]


def test_smaller_pictures_become_as_large_as_the_largest():
    small, large = np.arange(8).reshape(2, 2, 2, 1), np.zeros((2, 4, 4, 1))
    first, second = to_one_size([small, large])
    assert first.shape == second.shape == (2, 4, 4, 1)
    np.testing.assert_array_equal(first[0, ..., 0], [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])
