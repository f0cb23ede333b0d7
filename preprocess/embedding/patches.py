"""What an encoder says of an image's parts, brought to one size: 8 x 8 squares of 64 numbers each."""

import numpy as np

# Squares a side, and numbers of each.
GRID, DIM = 8, 64


def reduce_patches(patches: np.ndarray) -> np.ndarray:
    """Brings patches to one size.

    Directions are what counts: a fixed random projection keeps the angles between them within about 1 / sqrt(64)
    (Johnson and Lindenstrauss 1984), whatever images there are and in whichever order they come.

    Args:
        patches: float (n, h, w, d).

    Returns:
        float16 (n, 8, 8, 64).
    """
    patches = np.asarray(patches, np.float32)
    patches = np.einsum("ih,jw,nhwd->nijd", interpolation(patches.shape[1]), interpolation(patches.shape[2]), patches)
    projection = np.random.default_rng(0).standard_normal((patches.shape[-1], DIM)).astype(np.float32)
    projected = patches @ projection
    lengths = np.linalg.norm(projected, axis=-1, keepdims=True)
    # Each number about 1, so that float16 has its digits.
    return (projected * (DIM**0.5 / np.maximum(lengths, 1e-6))).astype(np.float16)


def interpolation(size: int, start: float = 0.0, side: float = 1.0) -> np.ndarray:
    """What interpolates `size` cells in a row, linearly, at the middles of 8 that part of them is cut into.

    Args:
        size: cells. start, side: of the part, as shares of all.

    Returns:
        float32 (8, size), to be multiplied with the cells.
    """
    places = np.clip((start + side * (np.arange(GRID) + 0.5) / GRID) * size - 0.5, 0, size - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(size))).astype(np.float32)
