import keras
import numpy as np
import pytest

from cvae.systems.faces.networks import CHANNELS, build_critic, build_decoder, build_encoder, scaled_channels

rng = np.random.default_rng(0)
IMAGES = rng.random((4, 64, 64, 3), np.float32)
CONDITIONS = rng.integers(0, 2, (4, 40)).astype(np.float32)


def test_channels_are_scaled_down_to_sixteen_at_least():
    assert tuple(scaled_channels(1)) == CHANNELS and scaled_channels(0.5) == [32, 64, 128, 256]
    assert scaled_channels(1 / 100) == [16] * 4


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_shapes(policy):
    mean, log_var = build_encoder(40, 8, 0.1, policy)([IMAGES, CONDITIONS])
    assert mean.shape == log_var.shape == (4, 8)
    pictures = np.asarray(build_decoder(40, 8, 0.1, policy)([np.zeros((4, 8), np.float32), CONDITIONS]))
    assert pictures.shape == IMAGES.shape and pictures.min() >= 0 and pictures.max() <= 1
    scores, features = build_critic(40, 0.1, policy)([IMAGES, CONDITIONS])
    assert scores.shape == (4, 1) and features.shape[0] == 4
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"


def test_the_critic_judges_each_image_by_itself_and_with_its_condition():
    critic = build_critic(40, 0.1, "float32")
    assert not any("normalization" in layer.name for layer in critic.layers)
    together = np.asarray(critic([IMAGES, CONDITIONS])[0])
    alone = np.concatenate([critic([IMAGES[i : i + 1], CONDITIONS[i : i + 1]])[0] for i in range(4)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.abs(together - critic([IMAGES, 1 - CONDITIONS])[0]).max() > 1e-4


def test_the_projection_is_the_inner_product_of_features_and_condition():
    """Miyato and Koyama 2018, equation 3: without a condition only the features' own worth is left."""
    critic = build_critic(40, 0.1, "float32")
    scores, features = (np.asarray(part) for part in critic([IMAGES, CONDITIONS]))
    plain = np.asarray(critic([IMAGES, 0 * CONDITIONS])[0])
    [projection] = [w for w in critic.trainable_variables if w.shape == (40, features.shape[1])]
    expected = plain[:, 0] + np.sum(features * (CONDITIONS @ np.asarray(projection)), 1)
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-4, atol=1e-5)
