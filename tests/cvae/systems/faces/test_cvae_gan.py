import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.systems.faces.cvae_gan import ClipCVAEGAN
from tests.helpers import run_on_jax

rng = np.random.default_rng(0)


def build(**options):
    keras.utils.set_random_seed(0)
    return ClipCVAEGAN(2, latent_dim=4, width=1 / 16, **options)


def batch(count=8):
    light = np.arange(count) % 2
    images = np.where(light[:, None, None, None], 0.85, 0.15) + rng.normal(0, 0.05, (count, 64, 64, 3))
    return images.astype(np.float32), np.eye(2, dtype=np.float32)[light]


def learning(model, part):
    """The networks that a part of the loss has gradients for."""
    image, condition = (tf.constant(array) for array in batch())
    with tf.GradientTape(persistent=True) as tape:
        value = model.loss_parts((image, condition), model((image, condition), training=True), True)[part]
    networks = {name: getattr(model, name) for name in ("encoder", "decoder", "critic")}
    return {
        name
        for name, network in networks.items()
        if any(tape.gradient(value, weight.value) is not None for weight in network.trainable_variables)
    }


def test_each_side_learns_from_its_own_losses():
    model = build()
    assert learning(model, "critic") == {"critic"}
    assert learning(model, "features") == learning(model, "realism") == {"encoder", "decoder"}


def test_features_tell_reconstructions_from_others():
    """0 for the portrait itself, about 1 for another."""
    model = build()
    image, condition = batch(64)
    image = rng.random(image.shape, np.float32)
    same = model._convince(image, np.concatenate([image, image]), condition)
    other = model._convince(image, np.concatenate([image[::-1], image]), condition)
    assert float(same["features"]) == 0 and 0.7 < float(other["features"]) < 1.3


@pytest.mark.slow
def test_learns_its_conditions_and_goes_on_from_a_file(tmp_path):
    model = build(dtype="mixed_bfloat16")
    model.compile(keras.optimizers.Adam(2e-3, 0.5))
    data = tf.data.Dataset.from_tensor_slices(batch(64)).batch(16).map(lambda x, y: ((x, y),)).repeat()
    history = model.fit(data, steps_per_epoch=80, epochs=2, verbose=0, shuffle=False).history
    assert {"features", "realism", "critic", "kl", "bce"} < set(history) and np.isfinite(list(history.values())).all()
    z = rng.standard_normal((8, 4)).astype(np.float32)
    dark, light = (np.asarray(model.decode(z, np.tile(row, (8, 1)))).mean() for row in np.eye(2, dtype=np.float32))
    assert light - dark > 0.15
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for one, other in zip(model.optimizer.variables, loaded.optimizer.variables):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_jax_trains_it_too(monkeypatch):
    run_on_jax(
        monkeypatch,
        """
        from cvae.systems.faces.cvae_gan import ClipCVAEGAN
        model = ClipCVAEGAN(2, latent_dim=4, width=1 / 16); model.compile('adam')
        x = np.random.default_rng(0).random((8, 64, 64, 3), np.float32), np.eye(2, dtype=np.float32)[[0, 1] * 4]
        before = [np.asarray(w) for w in model.critic.trainable_weights]
        history = model.fit(((x,) for _ in range(20)), epochs=2, steps_per_epoch=10, verbose=0).history
        assert history['bce'][1] < history['bce'][0] and np.isfinite(history['critic'][1])
        assert all(np.abs(np.asarray(w) - b).max() > 0 for w, b in zip(model.critic.trainable_weights, before))
        """,
    )
