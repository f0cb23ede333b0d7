import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.nn.layers import BatchNormalization, Embedding, Sampling

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


@pytest.mark.parametrize(("precision", "rounding"), [("float16", 2e-3), ("bfloat16", 2e-2)])
def test_fused_normalisation_keeps_the_policys_dtype(precision, rounding):
    layers = BatchNormalization(dtype=f"mixed_{precision}"), keras.layers.BatchNormalization(dtype="float32")
    ours, keras_own = (np.asarray(layer(IMAGES, training=True)) for layer in layers)
    assert ours.dtype.name == precision
    np.testing.assert_allclose(ours.astype(np.float32), keras_own, atol=4 * rounding)
    assert all(weight.dtype == "float32" for weight in layers[0].weights)
    for left, right in zip(layers[0].weights, layers[1].weights):
        np.testing.assert_allclose(left, right, rtol=rounding, atol=rounding)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_embedding_is_keras_own_with_a_gradient_that_is_a_matrix(policy):
    ours, keras_own = Embedding(5, 3, dtype=policy), keras.layers.Embedding(5, 3, dtype=policy)
    numbers = tf.constant([[3, 1], [3, 4]])
    keras_own(numbers), ours(numbers)
    ours.set_weights(keras_own.get_weights())
    with tf.GradientTape() as tape:
        outputs = ours(numbers)
        total = tf.reduce_sum(tf.cast(outputs, tf.float32))
    np.testing.assert_array_equal(outputs, keras_own(numbers))
    gradient = tape.gradient(total, ours.trainable_variables[0])
    assert isinstance(gradient, tf.Tensor)
    np.testing.assert_array_equal(gradient.numpy()[:, 0], [0, 1, 0, 2, 1])


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
