import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.nn.layers import BatchNormalization, Sampling

IMAGES = np.random.default_rng(0).normal(2, 3, (4, 6, 6, 5)).astype(np.float32)


def train_once(layer, images):
    x = tf.Variable(images)
    with tf.GradientTape() as tape:
        outputs = layer(x, training=True)
        loss = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
    return outputs, *tape.gradient(loss, [x, *layer.trainable_variables])


def test_fused_normalisation_is_keras_own():
    ours, keras_own = BatchNormalization(), keras.layers.BatchNormalization()
    for layer in (ours, keras_own):
        layer.build(IMAGES.shape)
    for left, right in zip(train_once(ours, IMAGES), train_once(keras_own, IMAGES)):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4)
    for left, right in zip(ours.weights, keras_own.weights):
        np.testing.assert_allclose(left, right, rtol=1e-5)
    np.testing.assert_allclose(ours(IMAGES), keras_own(IMAGES), rtol=1e-5)


def test_fused_normalisation_keeps_the_policys_dtype():
    layer = BatchNormalization(dtype="mixed_bfloat16")
    assert layer(IMAGES, training=True).dtype == tf.bfloat16
    assert all(weight.dtype == "float32" for weight in layer.weights)


def test_a_frozen_layer_keeps_its_averages():
    layer = BatchNormalization()
    layer.build(IMAGES.shape)
    layer.trainable = False
    layer(IMAGES, training=True)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(5))


@pytest.mark.parametrize("log_var", [-4.0, 0.0, 2.0])
def test_sampling_is_gaussian(log_var):
    mean = np.full((400, 100), 3.0, np.float32)
    z = np.asarray(Sampling(seed=0)(mean, np.full_like(mean, log_var)))
    assert abs(z.mean() - 3) < 0.03 * np.exp(log_var / 2)
    assert abs(z.std() / np.exp(log_var / 2) - 1) < 0.02
    # Uniform noise, which the eye takes for Gaussian, has a kurtosis of 1.8 instead of 3.
    assert abs((((z - z.mean()) / z.std()) ** 4).mean() - 3) < 0.1
