"""Loss values against plain numpy and TensorFlow, and the traps of half precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.nn import losses

rng = np.random.default_rng(0)
IMAGE = rng.random((3, 64, 64, 3), np.float32)
OTHER = np.clip(IMAGE + 0.2 * rng.standard_normal(IMAGE.shape), 1e-3, 1 - 1e-3).astype(np.float32)


def test_bce_is_a_mean_over_channels_summed_over_pixels():
    p = np.clip(OTHER.astype(np.float64), 1e-7, 1 - 1e-7)
    expected = -(IMAGE * np.log(p) + (1 - IMAGE) * np.log(1 - p)).mean(-1).sum((1, 2))
    np.testing.assert_allclose(losses.bce(IMAGE, OTHER), expected, rtol=1e-5)
    grey = np.full((1, 64, 64, 3), 0.5, np.float32)
    np.testing.assert_allclose(losses.bce(grey, grey), 64 * 64 * np.log(2), rtol=1e-5)


def test_kl_is_summed_over_latent_dimensions():
    mean, log_var = rng.standard_normal((2, 5, 128)).astype(np.float32)
    expected = 0.5 * (np.exp(log_var.astype(np.float64)) + mean**2 - 1 - log_var).sum(-1)
    np.testing.assert_allclose(losses.kl_divergence(mean, log_var), expected, rtol=1e-5)
    assert np.all(losses.kl_divergence(np.zeros((2, 8)), np.zeros((2, 8))) == 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_kl_stays_finite_in_half_precision(dtype):
    extreme = keras.ops.cast(np.array([[60000.0, -60000.0, 30.0]]), dtype)
    assert np.isfinite(losses.kl_divergence(np.zeros((1, 3), np.float32), extreme)).all()
    assert losses.kl_divergence(keras.ops.zeros((1, 3), dtype), extreme).dtype == tf.float32


@pytest.mark.parametrize("size", [11, 64, 128])
def test_ssim_is_tensorflows(size):
    image, other = IMAGE[:, :size, :size], OTHER[:, :size, :size]
    if size == 128:
        image, other = np.tile(IMAGE, (1, 2, 2, 1)), np.tile(OTHER, (1, 2, 2, 1))
    np.testing.assert_allclose(losses.ssim(image, other), tf.image.ssim(image, other, 1.0), atol=2e-6)
    np.testing.assert_allclose(losses.ssim(image, image), 1, atol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float16, tf.bfloat16])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_ssim_has_finite_gradients_on_flat_and_identical_images(dtype, value):
    flat = tf.fill((1, 64, 64, 3), tf.cast(value, dtype))
    with tf.GradientTape() as tape:
        tape.watch(flat)
        similarity = losses.ssim(flat, tf.identity(flat))
    assert np.isfinite(tape.gradient(similarity, flat)).all()


def test_bce_has_finite_gradients_where_the_picture_is_black_or_white():
    with tf.GradientTape() as tape:
        picture = tf.Variable(np.round(OTHER))
        value = losses.bce(np.round(IMAGE), picture)
    assert np.isfinite(value).all() and np.isfinite(tape.gradient(value, picture)).all()


def test_contrastive_is_clips_symmetric_cross_entropy():
    rng = np.random.default_rng(0)
    images, texts = rng.standard_normal((2, 5, 3)).astype(np.float32)
    unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in (images, texts)]
    logits = 7 * unit[0] @ unit[1].T
    log_softmax = [logits - np.log(np.exp(logits).sum(axis, keepdims=True)) for axis in (1, 0)]
    expected = -0.5 * sum(np.diag(part) for part in log_softmax)
    np.testing.assert_allclose(losses.contrastive(images, texts, 7.0), expected, rtol=1e-4)
    # Labels that all differ are the same case.
    np.testing.assert_allclose(losses.contrastive(images, texts, 7.0, np.arange(5)), expected, rtol=1e-4)


def test_contrastive_takes_every_pair_of_a_label_as_right():
    latents = np.eye(2, dtype=np.float32)[[0, 1, 0]]
    labels = np.array([0, 1, 0])
    plain, fair = losses.contrastive(latents, latents, 100.0), losses.contrastive(latents, latents, 100.0, labels)
    np.testing.assert_allclose(plain, [np.log(2), 0, np.log(2)], atol=1e-4)
    np.testing.assert_allclose(fair, [0, 0, 0], atol=1e-4)
    # All of one label: nothing can be wrong.
    np.testing.assert_allclose(losses.contrastive(latents, -latents, 100.0, np.zeros(3, int)), 0, atol=1e-4)
