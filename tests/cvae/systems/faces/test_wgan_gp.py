import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.nn.optimizers import Adam
from cvae.systems.faces.wgan_gp import ClipWGANGP

rng = np.random.default_rng(0)


def pairs(batch=16):
    """Dark images for the one condition and light ones for the other."""
    light = np.arange(64) % 2
    images = np.where(light[:, None, None, None], 0.85, 0.15).astype(np.float32)
    images = images + rng.normal(0, 0.05, (64, 64, 64, 3)).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((images, np.eye(2, dtype=np.float32)[light]))
    return data.batch(batch).map(lambda x, y: ((x, y),)).repeat()


def build(policy="float32"):
    keras.utils.set_random_seed(0)
    model = ClipWGANGP(2, latent_dim=4, width=1 / 16, dtype=policy)
    model.compile(Adam(1e-3, 0.0, 0.9), jit_compile=False)
    return model


def test_the_generator_learns_every_fifth_step():
    model = build()
    before = [weight.numpy() for weight in model.generator.trainable_variables]
    model.fit(pairs(), steps_per_epoch=4, verbose=0, shuffle=False)
    for old, new in zip(before, model.generator.trainable_variables):
        np.testing.assert_array_equal(old, new)
    model.fit(pairs(), steps_per_epoch=1, verbose=0, shuffle=False)
    assert int(model.optimizer.iterations) == 5 and int(model.generator_optimizer.iterations) == 1
    assert any(np.abs(old - new).max() > 0 for old, new in zip(before, model.generator.trainable_variables))


def test_the_penalty_is_that_of_the_slope_between_images_and_drawn_ones():
    """A critic that is linear in the image has the same slope everywhere: its norm is known."""
    model = build()
    model.critic = _Linear(3.0)
    image, drawn = (tf.constant(rng.random((5, 64, 64, 3), np.float32)) for _ in range(2))
    assert float(model._penalty(image, drawn, tf.zeros((5, 2)))) == pytest.approx((3.0 - 1) ** 2, rel=1e-4)
    model.critic = _Linear(0.0)
    assert float(model._penalty(image, drawn, tf.zeros((5, 2)))) == pytest.approx(1, rel=1e-4)


class _Linear:
    """A critic whose slope has a given norm."""

    def __init__(self, norm):
        self.weights = norm * np.ones((64, 64, 3), np.float32) / np.sqrt(64 * 64 * 3)

    def __call__(self, inputs):
        return [tf.reduce_sum(inputs[0] * self.weights, (1, 2, 3))[:, None]]


def test_a_saved_model_goes_on_as_if_nothing_had_happened(tmp_path):
    """Both optimisers' state is in the file."""
    model = build()
    model.fit(pairs(), steps_per_epoch=7, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert int(loaded.optimizer.iterations) == 7 and int(loaded.generator_optimizer.iterations) == 1
    saved, found = (each.generator_optimizer._saved_variables() for each in (model, loaded))
    for one, other in zip(saved, found, strict=True):
        np.testing.assert_allclose(one, other)
    before, data = [weight.numpy() for weight in model.weights], pairs()
    for each in (model, loaded):
        each.noise.state.assign(np.array([1, 2], each.noise.state.dtype))
        each.fit(data, steps_per_epoch=5, verbose=0, shuffle=False)
    # Adam without momentum turns the last bits of small gradients into whole steps.
    moved = sum(np.abs(old - new).sum() for old, new in zip(before, model.weights))
    apart = sum(np.abs(one - other).sum() for one, other in zip(model.weights, loaded.weights))
    assert apart < 0.05 * moved


def test_learns_its_conditions_without_blowing_up():
    model = build("mixed_bfloat16")
    history = model.fit(pairs(), steps_per_epoch=150, epochs=2, verbose=0, shuffle=False).history
    assert set(history) == {"loss", "distance", "penalty"} and np.isfinite(list(history.values())).all()
    z = rng.standard_normal((8, 4)).astype(np.float32)
    dark, light = (np.asarray(model.draw(z, np.tile(row, (8, 1)))).mean() for row in np.eye(2, dtype=np.float32))
    assert light - dark > 0.15


def test_both_optimisers_follow_a_schedule():
    model = build()
    slower = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-5)
    model.fit(pairs(), steps_per_epoch=5, verbose=0, shuffle=False, callbacks=[slower])
    assert float(model.optimizer.learning_rate) == float(model.generator_optimizer.learning_rate) == pytest.approx(1e-5)
