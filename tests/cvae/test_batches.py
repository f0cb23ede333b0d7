import numpy as np

from cvae.batches import in_batches


def test_rows_stay_in_order_and_progress_counts_them():
    done = []
    a, b = np.arange(10.0), np.arange(10.0) * 2
    np.testing.assert_array_equal(in_batches(lambda x, y: y - x, a, b, size=4, progress=done.append), a)
    assert done == [4, 4, 2]
