import numpy as np
import pytest

from preprocess.embedding.patches import DIM, GRID, reduce_patches


def test_angles_stay_about_as_they_were():
    rng = np.random.default_rng(0)
    patches = rng.standard_normal((4, GRID, GRID, 1280)) + rng.standard_normal(1280)
    reduced = reduce_patches(patches).astype(np.float32)
    assert reduced.shape == (4, GRID, GRID, DIM)

    def cosines(x):
        x = x.reshape(-1, x.shape[-1])
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return x @ x.T

    assert np.abs(cosines(patches) - cosines(reduced)).mean() < 1.5 / DIM**0.5
    np.testing.assert_allclose(np.linalg.norm(reduced, axis=-1), DIM**0.5, rtol=1e-2)


def test_they_depend_on_their_image_alone():
    patches = np.random.default_rng(0).standard_normal((4, 7, 7, 32))
    np.testing.assert_array_equal(reduce_patches(patches[::-1]), reduce_patches(patches)[::-1])


@pytest.mark.parametrize("size", [1, 7, 14])
def test_other_grids_are_interpolated(size):
    rows = np.broadcast_to(np.arange(1, size + 1, dtype=float)[:, None, None], (size, size, 1))
    flat = reduce_patches(np.concatenate([rows, np.ones_like(rows)], -1)[None])[0].astype(np.float32)
    # The same from left to right, and ever further downwards.
    np.testing.assert_allclose(flat, np.broadcast_to(flat[:, :1], flat.shape), atol=1e-2)
    turned = flat[:, 0] @ flat[0, 0]
    assert (np.diff(turned) <= 0.05).all() and (size == 1 or turned[-1] < turned[0])
