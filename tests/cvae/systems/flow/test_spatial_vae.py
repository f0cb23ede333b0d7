import keras
import numpy as np
import pytest

from cvae.systems.flow import spatial_vae
from cvae.systems.flow.grid_autoencoder import absolute_error
from cvae.systems.flow.spatial_vae import SpatialVAE
from tests.helpers import run_on_jax

IMAGES = np.random.default_rng(0).random((4, 64, 64, 3), np.float32)


def small(**options):
    keras.utils.set_random_seed(0)
    return SpatialVAE(64, width=1 / 16, **options)


def flags(count=16):
    """Pictures of two flat halves of any colours."""
    colours = np.random.default_rng(0).random((count, 2, 1, 1, 3), np.float32)
    return np.concatenate([np.broadcast_to(colours[:, half], (count, 32, 64, 3)) for half in (0, 1)], axis=1)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("size", [64, 128])
def test_shapes_and_ranges(size, policy):
    model = SpatialVAE(size, width=1 / 16, dtype=policy)
    images = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    picture, mean, log_var = model(images)
    assert model.grid == (size // 8, size // 8, 8)
    assert picture.shape == images.shape and mean.shape == log_var.shape == (2, *model.grid)
    assert {keras.backend.standardize_dtype(part.dtype) for part in (picture, mean, log_var)} == {"float32"}
    assert np.min(picture) >= 0 and np.max(picture) <= 1


@pytest.mark.slow
def test_what_squares_teach_holds_for_whole_images():
    keras.utils.set_random_seed(0)
    model = SpatialVAE(128, width=1 / 16)
    images = np.repeat(np.repeat(flags(4), 2, axis=1), 2, axis=2)
    model.compile(keras.optimizers.Adam(4e-3))
    before = np.abs(np.asarray(model.decode(model.encode(images)[0])) - images).mean()
    model.fit(((images[:, 32:96, :64],) for _ in range(100)), steps_per_epoch=100, verbose=0)
    after = np.asarray(model.decode(model.encode(images)[0]))
    assert after.shape == images.shape and np.abs(after - images).mean() < 0.5 * before


def test_the_score_counts_only_while_adversarial():
    model, images = small(), flags()
    outputs = model(images)
    losses = {}
    for model.adversarial in (False, True):
        losses[model.adversarial] = float(model.compute_loss(images, y_pred=outputs))
    score = float(np.mean(model.critic(outputs[0])[0]))
    assert losses[True] - losses[False] == pytest.approx(-spatial_vae.REALISM_WEIGHT * score, abs=1e-5)


@pytest.mark.slow
def test_learns_to_reconstruct_and_then_to_convince_its_critic(tmp_path):
    model, images = small(), flags()
    model.compile(keras.optimizers.Adam(4e-3))
    options = {"steps_per_epoch": 100, "verbose": 0}
    first = model.fit(((images,) for _ in range(200)), epochs=2, **options).history
    assert first["l1"][1] < 0.5 * first["l1"][0] and first["features"][1] < first["features"][0]
    critic = [np.array(weight) for weight in model.critic.get_weights()]
    model.adversarial = True
    second = model.fit(((images,) for _ in range(100)), **options).history
    # 2 is that of a critic that cannot tell them apart.
    assert first["critic"][1] < 1.9
    assert 0 < second["critic"][0] < 2.5 and second["l1"][0] < 2 * first["l1"][1]
    assert all(np.abs(now - before).max() > 0 for now, before in zip(model.critic.get_weights(), critic))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert again.adversarial
    np.testing.assert_allclose(again.encode(images)[0], model.encode(images)[0], atol=1e-5)
    error = np.abs(np.asarray(again.decode(again.encode(images)[0])) - images).mean()
    assert error < 0.1


def gradients(model, images, monkeypatch, features, realism):
    """Of the loss, with those weights of its parts: (of the critic's weights, of the decoder's)."""
    import tensorflow as tf

    monkeypatch.setattr(spatial_vae, "FEATURES_WEIGHT", features)
    monkeypatch.setattr(spatial_vae, "REALISM_WEIGHT", realism)
    model.sampling.seed_generator.state.assign(np.array([1, 2], model.sampling.seed_generator.state.dtype))
    with tf.GradientTape() as tape:
        loss = model.compute_loss(images, y_pred=model(images))
    parts = [weight.value for weight in model.critic.weights], [weight.value for weight in model.decoder.weights]
    return [[np.array(each) for each in part] for part in tape.gradient(loss, parts)]


def test_the_critic_learns_by_its_own_loss_and_the_decoder_by_all_others(monkeypatch):
    model, images = small(), flags()
    model.adversarial = True
    plain, with_features, with_score = (
        gradients(model, images, monkeypatch, *weights) for weights in ((0, 0), (1, 0), (0, 1))
    )
    for others in (with_features, with_score):
        assert all(np.allclose(*pair, atol=1e-6) for pair in zip(plain[0], others[0]))
        assert max(np.abs(a - b).max() for a, b in zip(plain[1], others[1])) > 1e-4
    # The critic's own loss is no part of the decoder's.
    import tensorflow as tf

    model.sampling.seed_generator.state.assign(np.array([1, 2], model.sampling.seed_generator.state.dtype))
    with tf.GradientTape() as tape:
        error = absolute_error(images, model(images)[0])
    expected = tape.gradient(error, [weight.value for weight in model.decoder.weights])
    assert all(np.allclose(*pair, atol=1e-6) for pair in zip(plain[1], expected))


def test_a_compiled_model_hears_of_being_adversarial(monkeypatch):
    monkeypatch.setattr(spatial_vae, "REALISM_WEIGHT", 1.0)
    model, images = small(), flags()
    model.compile()
    values = {}
    for model.adversarial in (False, True):
        model.sampling.seed_generator.state.assign(np.array([1, 2], model.sampling.seed_generator.state.dtype))
        values[model.adversarial] = model.evaluate(((images,) for _ in range(1)), steps=1, return_dict=True, verbose=0)
    assert values[True]["loss"] - values[False]["loss"] == pytest.approx(values[True]["realism"], abs=1e-4)


@pytest.mark.slow
def test_jax_trains_it_too(monkeypatch):
    run_on_jax(
        monkeypatch,
        """
        from cvae.systems.flow.spatial_vae import SpatialVAE
        model = SpatialVAE(64, width=1 / 16); model.compile(keras.optimizers.Adam(2e-3))
        x = np.ones((8, 64, 64, 3), np.float32) * np.linspace(0, 1, 8, dtype=np.float32)[:, None, None, None]
        l1 = model.fit(((x,) for _ in range(20)), epochs=2, steps_per_epoch=10, verbose=0).history['l1']
        assert l1[1] < l1[0], l1
        model.adversarial = True
        assert model.fit(((x,) for _ in range(5)), steps_per_epoch=5, verbose=0).history['critic'][0] > 0
        """,
    )
