import keras
import numpy as np
import tensorflow as tf

from cvae.nn.perceptual import PerceptualDistance

rng = np.random.default_rng(0)
# Smooth, so that noise and blur change it.
IMAGES = np.repeat(np.repeat(rng.random((2, 8, 8, 3), np.float32), 8, axis=1), 8, axis=2)


def noisy(amount):
    return np.clip(IMAGES + amount * rng.standard_normal(IMAGES.shape), 0, 1).astype(np.float32)


def test_it_is_zero_for_the_same_and_grows_with_what_is_changed():
    distance = PerceptualDistance()
    assert abs(float(distance(IMAGES, IMAGES))) < 1e-5
    assert 0 < float(distance(IMAGES, noisy(0.02))) < float(distance(IMAGES, noisy(0.2))) < 8


def test_gradients_reach_the_pictures_alone():
    distance, images, pictures = PerceptualDistance(), tf.constant(IMAGES), tf.constant(noisy(0.1))
    with tf.GradientTape() as tape:
        tape.watch([images, pictures])
        value = distance(images, pictures)
    of_images, of_pictures = tape.gradient(value, [images, pictures])
    assert of_images is None or not np.any(of_images)
    assert np.isfinite(of_pictures).all() and np.abs(of_pictures).max() > 0


def test_it_belongs_to_no_model_that_uses_it(tmp_path):
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.distance = PerceptualDistance()

    assert not Model().weights
