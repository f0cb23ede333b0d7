import numpy as np
import pytest

from cvae.systems.digits.evaluate import bounds, log_gaussian, log_likelihood, measure


class LinearModel:
    """p(x|z) is Bernoulli, one pixel on with a probability that z alone decides: the likelihood has a closed form."""

    latent_dim = 1

    def __init__(self, mean, log_var, chance=0.3):
        self.mean, self.log_var, self.chance = mean, log_var, chance

    def encode_image(self, image):
        shape = (len(image), 1)
        return np.full(shape, self.mean), np.full(shape, self.log_var)

    def decode_image(self, z):
        return np.full((len(z), 28, 28, 1), self.chance)


def test_bounds_of_a_decoder_that_ignores_z():
    images = (np.random.default_rng(0).random((6, 28, 28, 1)) < 0.3).astype(np.float32)
    exact = -log_likelihood(images, np.full(images.shape, 0.3)).mean()
    same = bounds(LinearModel(0.0, 0.0), images, samples=10)
    assert same["kl"] == pytest.approx(0) and same["bound"] == pytest.approx(exact)
    assert same["importance_weighted"] == pytest.approx(exact)
    # A wrong posterior: the bound is off by its divergence, which many samples win back.
    off = bounds(LinearModel(0.5, np.log(0.5)), images, samples=2000)
    divergence = 0.5 * (0.5 + 0.25 - 1 - np.log(0.5))
    assert off["bound"] == pytest.approx(exact + divergence)
    assert off["importance_weighted"] == pytest.approx(exact, abs=0.02)


def test_more_samples_lower_the_bound():
    images = np.ones((4, 28, 28, 1), np.float32)
    few, many = (bounds(LinearModel(1.0, -1.0), images, samples=n)["importance_weighted"] for n in (1, 500))
    assert many < few


def test_log_gaussian_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    z, mean, log_var = np.random.default_rng(0).standard_normal((3, 5, 2))
    expected = stats.norm(mean, np.exp(0.5 * log_var)).logpdf(z).sum(-1)
    np.testing.assert_allclose(log_gaussian(z, mean, log_var), expected)


class Copier:
    """A model whose latents are one number an image, by which it draws a uniform grey; labels are tenths."""

    latent_dim = 2

    def encode_image(self, image):
        grey = np.asarray(image).mean((1, 2, 3))
        angle = grey * np.pi / 2
        return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32), np.full((len(image), 2), -20.0)

    def noise(self, shape, seed):
        return np.random.default_rng(seed).standard_normal(shape)

    def encode_label(self, label):
        angle = (np.asarray(label) + 0.5) / 10 * np.pi / 2
        return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32), np.full((len(label), 2), -20.0)

    def decode_image(self, z):
        z = np.asarray(z)
        grey = np.arctan2(np.abs(z[:, 1]), np.abs(z[:, 0])) / (np.pi / 2)
        return np.broadcast_to(grey[:, None, None, None], (len(z), 28, 28, 1)).astype(np.float32)


class Judge:
    """Sees the tenth of grey, quite sure of it."""

    def predict(self, batches, verbose):
        images = np.concatenate(list(batches.as_numpy_iterator()))
        label = np.minimum(9, (images.mean((1, 2, 3)) * 10).astype(int))
        return 20.0 * np.eye(10)[label]


def test_a_model_that_does_all_right_measures_so():
    labels = np.arange(10).repeat(3)
    images = np.ones((30, 28, 28, 1), np.float32) * ((labels + 0.5) / 10)[:, None, None, None].astype(np.float32)
    result = measure(Copier(), images, labels, Judge(), count=5)
    assert result["nearest_label_accuracy"] == 1 and result["label_pictures_right"] == 1
    assert result["noise_confidence"] == pytest.approx(1, abs=1e-6)
    grey = (np.arange(10) + 0.5) / 10
    entropy = -np.mean(grey * np.log(grey) + (1 - grey) * np.log(1 - grey))
    assert result["reconstruction_bce"] == pytest.approx(entropy, abs=1e-4)
    wrong = measure(Copier(), images, (labels + 1) % 10, Judge(), count=5)
    assert wrong["nearest_label_accuracy"] == 0
