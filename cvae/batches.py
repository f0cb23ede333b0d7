"""Work on many images in batches."""

import numpy as np

BATCH = 64


def in_batches(function, *arrays, size=BATCH, progress=None):
    """Calls a function on batches of arrays and puts its results together.

    Args:
        function: takes a batch of each array, and gives an array with as many rows.
        *arrays: of equal length n, at least 1.
        size: rows a batch.
        progress: called with the number of rows of each batch that is done.

    Returns:
        An array of n rows.
    """
    parts = []
    for start in range(0, len(arrays[0]), size):
        parts.append(np.asarray(function(*(array[start : start + size] for array in arrays))))
        if progress:
            progress(len(parts[-1]))
    return np.concatenate(parts)
