import numpy as np
import pytest

from cvae.systems.flow.autoencoder import Autoencoder
from cvae.systems.flow.grid_autoencoder import absolute_error, at_half
from cvae.systems.flow.spatial_vae import SpatialVAE

IMAGES = np.random.default_rng(0).random((3, 16, 16, 3), np.float32)


def test_equal_images_have_no_error_and_shifted_ones_the_shift_at_every_scale():
    assert float(absolute_error(IMAGES, IMAGES)) == 0
    assert float(absolute_error(IMAGES, IMAGES + 0.1)) == pytest.approx(4 * 0.1, rel=1e-4)


def test_halving_takes_means():
    np.testing.assert_allclose(at_half(IMAGES), IMAGES.reshape(3, 8, 2, 8, 2, 3).mean((2, 4)), atol=1e-6)


def test_a_grid_has_the_shape_of_what_is_encoded():
    for model in (Autoencoder(width=1 / 16), SpatialVAE(64, width=1 / 16)):
        mean, _ = model.encode(np.zeros((1, 64, 64, 3), np.float32))
        assert mean.shape == (1, *model.grid_of(64))
