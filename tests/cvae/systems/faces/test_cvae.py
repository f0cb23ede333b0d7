import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.systems.faces.cvae import AttributeCVAE
from cvae.systems.faces.networks import CHANNELS

rng = np.random.default_rng(0)
IMAGES = rng.random((4, 64, 64, 3), np.float32)
CONDITIONS = rng.integers(0, 2, (4, 40)).astype(np.float32)


def small(**options):
    keras.utils.set_random_seed(0)
    return AttributeCVAE(40, latent_dim=8, width=1 / 16, **options)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_shapes_and_ranges(policy):
    model = small(dtype=policy)
    picture, mean, log_var = model((IMAGES, CONDITIONS))
    assert picture.shape == IMAGES.shape and mean.shape == log_var.shape == (4, 8)
    assert {keras.backend.standardize_dtype(part.dtype) for part in (picture, mean, log_var)} == {"float32"}
    assert np.min(picture) >= 0 and np.max(picture) <= 1
    assert model.decode(np.zeros((3, 8), np.float32), CONDITIONS[:3]).shape == (3, 64, 64, 3)


def test_has_the_layout_of_its_description():
    encoder = AttributeCVAE(40).encoder
    convolutions = [layer for layer in encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert tuple(layer.filters for layer in convolutions) == CHANNELS == (64, 128, 256, 512)
    assert all(layer.strides == (2, 2) for layer in convolutions)
    assert [tuple(output.shape) for output in encoder.outputs] == [(None, 128)] * 2


def test_both_halves_get_the_condition():
    model = small()
    other = 1 - CONDITIONS
    assert np.abs(model.encode(IMAGES, CONDITIONS)[0] - model.encode(IMAGES, other)[0]).max() > 1e-3
    z = np.zeros((4, 8), np.float32)
    assert np.abs(model.decode(z, CONDITIONS) - model.decode(z, other)).max() > 1e-3


@pytest.mark.slow
def test_learns_to_draw_its_conditions(tmp_path):
    """Dark for the one condition and light for the other."""
    model = AttributeCVAE(2, latent_dim=2, width=1 / 16)
    model.compile(keras.optimizers.Adam(3e-3))
    light = np.arange(64) % 2
    images = np.where(light[:, None, None, None], 0.9, 0.1).astype(np.float32) * np.ones((1, 64, 64, 3), np.float32)
    conditions = np.eye(2, dtype=np.float32)[light]
    data = tf.data.Dataset.from_tensor_slices((images, conditions)).batch(16).map(lambda x, y: ((x, y),))
    history = model.fit(data.repeat(), steps_per_epoch=100, epochs=4, verbose=0, shuffle=False).history
    assert history["loss"][-1] < history["loss"][0]
    parts = sum(weight * history[name][-1] for name, weight in model.part_weights.items())
    assert history["loss"][-1] == pytest.approx(parts, rel=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    z = rng.standard_normal((6, 2)).astype(np.float32)
    dark, bright = (np.asarray(loaded.decode(z, np.tile(row, (6, 1)))) for row in np.eye(2, dtype=np.float32))
    assert bright.mean() - dark.mean() > 0.2


def test_a_fitted_prior_asks_for_the_latents_that_belong_to_a_condition(tmp_path):
    """Latents that lie at 3 for the one condition and at -1 for the other, whatever the image."""
    model = small()
    conditions = np.eye(40, dtype=np.float32)[rng.integers(0, 2, 400)]
    images = np.zeros((400, 64, 64, 3), np.float32)
    noise = rng.standard_normal((400, 8)).astype(np.float32)
    means = noise + np.where(conditions[:, :1] > 0, 3, -1)
    model.encode = lambda image, condition: (means[np.asarray(image)[:, 0, 0, 0].astype(int)], None)
    images[:, 0, 0, 0] = np.arange(400)
    assert not model.has_prior
    z = np.zeros((2, 8), np.float32)
    pictures = np.asarray(model.draw(z, conditions[:2]))
    np.testing.assert_allclose(pictures, model.decode(z, conditions[:2]), atol=1e-5)
    model.fit_prior([(images[:150], conditions[:150]), (images[150:], conditions[150:])])
    assert model.has_prior
    centres = np.asarray(model.prior(np.eye(40, dtype=np.float32)[:2]))
    np.testing.assert_allclose(centres, [[3] * 8, [-1] * 8], atol=0.3)
    drawn = np.asarray(model.draw(z, np.eye(40, dtype=np.float32)[:2]))
    np.testing.assert_allclose(drawn, model.decode(centres, np.eye(40, dtype=np.float32)[:2]), atol=1e-5)
    del model.encode
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.draw(z, np.eye(40, dtype=np.float32)[:2]), drawn, atol=1e-5)
