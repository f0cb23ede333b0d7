"""The coursework's model written out by hand from its published description, beside ours with the same weights.

Encoder: four convolutions (256, 256, 128, 128 channels; kernels 3, 5, 3, 3; stride 2), each with batch normalisation
and LeakyReLU of slope 0.3; flattened and joined with the embedding; two dense layers of 2048 units that end in a
LeakyReLU of slope 0.2; one of 1024 with batch normalisation and a LeakyReLU of 0.3; mean and log-variance. Decoder: the
embedding shrunk to 32 numbers, joined with z; a dense layer to 8 x 8 x 256 and five transposed convolutions (256, 256,
128, 128, 32 channels; kernels 3, 5, 5, 3, 5; strides 2, 2, 2, 1 and, at 128 px, 2), each with batch normalisation and
LeakyReLU; a convolution to three channels and a sigmoid.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.systems.coursework.model import ClipCVAE

BATCH = 3


def leaky(x, slope=0.3):
    return np.where(x > 0, x, slope * x)


class ByHand:
    """Calls layers with weights taken one after another from a list, as Keras keeps them."""

    def __init__(self, weights):
        self.weights = [np.asarray(weight) for weight in weights]

    def take(self, count):
        taken, self.weights = self.weights[:count], self.weights[count:]
        return taken

    def dense(self, x):
        kernel, bias = self.take(2)
        return x @ kernel + bias

    def normalise(self, x):
        gamma, beta, mean, variance = self.take(4)
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def convolve(self, x, stride):
        kernel, bias = self.take(2)
        return np.asarray(tf.nn.conv2d(x, kernel, stride, "SAME")) + bias

    def convolve_transposed(self, x, stride):
        kernel, bias = self.take(2)
        shape = (len(x), x.shape[1] * stride, x.shape[2] * stride, kernel.shape[2])
        return np.asarray(tf.nn.conv2d_transpose(x, kernel, shape, stride, "SAME")) + bias


def encode_by_hand(weights, image, embedding):
    layers, x = ByHand(weights), image
    for _ in range(4):
        x = leaky(layers.normalise(layers.convolve(x, 2)))
    x = np.concatenate([x.reshape(len(x), -1), embedding], axis=1)
    for _ in range(2):
        x = leaky(layers.dense(x), 0.2)
    x = leaky(layers.normalise(layers.dense(x)))
    return layers.dense(x), layers.dense(x)


def decode_by_hand(weights, z, embedding, size):
    layers = ByHand(weights)
    x = np.concatenate([z, layers.dense(embedding)], axis=1)
    x = leaky(layers.normalise(layers.dense(x))).reshape(len(x), 8, 8, -1)
    for stride in (2, 2, 2, 1, size // 64):
        x = leaky(layers.normalise(layers.convolve_transposed(x, stride)))
    return 1 / (1 + np.exp(-layers.convolve(x, 1)))


def loss_by_hand(image, picture, mean, log_var):
    """BCE a pixel summed over an image, half the KL, and a tenth of 1 - SSIM: the last is one number a batch."""
    p = np.clip(picture, 1e-7, 1 - 1e-7)
    bce = -(image * np.log(p) + (1 - image) * np.log(1 - p)).mean(-1).sum()
    kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var))
    ssim = float(tf.reduce_mean(tf.image.ssim(image, picture, 1.0)))
    return (bce + 0.5 * kl) / len(image) + 0.1 * (1 - ssim)


def ordered_weights(network):
    """A network's weights, layer by layer, each layer's own in Keras' order."""
    return [weight for layer in network.layers for weight in layer.weights]


@pytest.fixture(scope="module", params=[64, 128])
def model(request):
    """The model at an eighth of its width, with weights and statistics that are nowhere at their beginnings."""
    keras.utils.set_random_seed(0)
    model = ClipCVAE(request.param, width=1 / 8, embedding_dim=24)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if "moving_variance" in weight.path or "gamma" in weight.path:
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif len(weight.shape) == 1 and weight.dtype == "float32":
            weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


@pytest.fixture(scope="module")
def batch(model):
    rng = np.random.default_rng(1)
    image = rng.random((BATCH, model.image_size, model.image_size, 3), np.float32)
    embedding = rng.standard_normal((BATCH, 24)).astype(np.float32)
    return image, embedding, rng.standard_normal((BATCH, 128)).astype(np.float32)


def test_the_encoder(model, batch):
    image, embedding, _ = batch
    mean, log_var = encode_by_hand(ordered_weights(model.encoder), image, embedding)
    ours = model.encode(image, embedding)
    assert np.std(mean) > 0.1 and np.std(log_var) > 0.1
    np.testing.assert_allclose(ours[0], mean, rtol=1e-4, atol=1e-4)
    # Ours is clipped, so that its exponential stays finite.
    np.testing.assert_allclose(ours[1], np.clip(log_var, -20, 10), rtol=1e-4, atol=1e-4)


def test_the_decoder(model, batch):
    _, embedding, z = batch
    expected = decode_by_hand(ordered_weights(model.decoder), z, embedding, model.image_size)
    assert np.std(expected) > 0.01
    np.testing.assert_allclose(model.decode(z, embedding), expected, atol=1e-5)


def test_the_loss(model, batch):
    image, embedding, z = batch
    mean, log_var = (np.asarray(part) for part in model.encode(image, embedding))
    picture = np.asarray(model.decode(z, embedding))
    ours = model.compute_loss(x=(image, embedding), y_pred=(picture, mean, log_var))
    assert float(ours) == pytest.approx(loss_by_hand(image, picture, mean, log_var), rel=1e-5)


def test_models_saved_without_a_layout_keep_the_one_that_they_had():
    config = ClipCVAE(64, width=1 / 16).get_config()
    assert config["layout"] == 2
    del config["layout"]
    old = ClipCVAE.from_config(config)
    assert old.layout == 1
    slopes = [layer.negative_slope for layer in old.encoder.layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert slopes == pytest.approx([0.3] * 7)
    with pytest.raises(ValueError, match="layout is 1 or 2"):
        ClipCVAE(64, layout=3)
