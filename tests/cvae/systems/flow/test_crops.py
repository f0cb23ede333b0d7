import numpy as np
import pytest

from cvae.systems.flow.crops import crop, crop_patches


def test_a_crop_is_that_part_of_the_image():
    image = np.zeros((64, 64, 3), np.uint8)
    image[8:56, 24:] = 200
    assert (crop(image, (0.5, 0.25, 0.5), 16) == 200).all()
    assert (crop(image, (0, 0.25, 0.25), 16) == 0).all()
    assert np.array_equal(crop(image, (0, 0, 1), 64), image)


@pytest.mark.parametrize("channels", [0, 5])
def test_patches_of_the_whole_are_as_they_were(channels):
    patches = np.random.default_rng(0).standard_normal((8, 8, channels)).astype(np.float16)
    np.testing.assert_allclose(crop_patches(patches, (0, 0, 1)), patches)


def test_patches_of_a_part_are_interpolated():
    rows, columns = np.mgrid[:8, :8]
    patches = np.stack([rows, columns], axis=-1).astype(np.float16)
    found = crop_patches(patches, (0.25, 0.125, 0.5))
    # The middles of eight cells that are half as wide, from column 2 and row 1 on.
    middles = 0.5 * (np.arange(8) + 0.5) - 0.5
    np.testing.assert_allclose(found[0, :, 1], 2 + middles, atol=5e-3)
    np.testing.assert_allclose(found[:, 0, 0], 1 + middles, atol=5e-3)
