import keras
import numpy as np
import pytest

from cvae.nn.perceptual import PARTS, PerceptualDistance
from cvae.systems.flow.autoencoder import Autoencoder, Fold, Unfold
from preprocess.photographs.efficientnet import features_network
from tests.helpers import run_on_jax

IMAGES = np.random.default_rng(0).random((12, 64, 64, 3), np.float32)


def small(**options):
    keras.utils.set_random_seed(0)
    return Autoencoder(width=1 / 6, **options)


def flags(count=12):
    """Pictures of two flat halves of any colours."""
    colours = np.random.default_rng(0).random((count, 2, 1, 1, 3), np.float32)
    return np.concatenate([np.broadcast_to(colours[:, half], (count, 32, 64, 3)) for half in (0, 1)], axis=1)


def test_folding_is_undone_and_keeps_neighbours_together():
    x = np.arange(2 * 4 * 6 * 3, dtype=np.float32).reshape(2, 4, 6, 3)
    folded = np.asarray(Fold()(x))
    assert folded.shape == (2, 2, 3, 12)
    np.testing.assert_allclose(folded[0, 0, 0], x[0, :2, :2].reshape(-1))
    np.testing.assert_allclose(Unfold()(folded), x)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("size", [64, 128])
def test_one_model_takes_all_sizes(size, policy):
    model = small(dtype=policy)
    images = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    mean, log_var = model.encode(images)
    assert mean.shape == log_var.shape == (2, size // 4, size // 4, 4)
    picture = model.decode(mean)
    assert picture.shape == images.shape and 0 <= np.min(picture) <= np.max(picture) <= 1
    assert {keras.backend.standardize_dtype(part.dtype) for part in (picture, mean, log_var)} == {"float32"}


def test_it_has_as_many_parameters_as_the_trial_at_full_width():
    assert sum(int(np.prod(weight.shape)) for weight in Autoencoder().trainable_weights) == 4_480_788


def test_training_compares_some_images_at_half_their_size_and_some_turned():
    pairs, _mean, _ = small()(IMAGES, training=True)
    (half, half_picture), (whole, picture) = pairs
    assert half.shape == half_picture.shape == (2, 32, 32, 3) and whole.shape == picture.shape == (10, 64, 64, 3)
    np.testing.assert_allclose(half, IMAGES[:2].reshape(2, 32, 2, 32, 2, 3).mean((2, 4)), atol=1e-5)
    changed = [bool(np.abs(one - other).max() > 1e-3) for one, other in zip(np.asarray(whole), IMAGES[2:])]
    assert not any(changed[2:])
    # Of pixels it may change only the place.
    for one, other in zip(np.asarray(whole), IMAGES[2:]):
        np.testing.assert_allclose(np.sort(one.ravel()), np.sort(other.ravel()), atol=1e-6)
    [(target, _)], _, _ = small()(IMAGES, training=False)
    np.testing.assert_allclose(target, IMAGES)


@pytest.mark.parametrize("count", [2, 4])
def test_small_batches_train_too(count):
    pairs, _mean, _ = small()(IMAGES[:count], training=True)
    assert [len(target) for target, _ in pairs] == [1, count - 1]
    model = small()
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(((IMAGES[:count],) for _ in range(1)), steps_per_epoch=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_it_learns_and_standardises_its_latents(tmp_path):
    model, images = small(), flags()
    model.compile(keras.optimizers.Adam(2e-3))
    history = model.fit(((images,) for _ in range(80)), epochs=2, steps_per_epoch=40, verbose=0).history
    assert history["l1"][1] < 0.85 * history["l1"][0] and history["perceptual"][1] < history["perceptual"][0]
    assert {"l1", "perceptual", "kl", "loss"} <= set(history)
    model.save(tmp_path / "model.keras")
    # Another network's weights are in no file of its.
    assert (tmp_path / "model.keras").stat().st_size < 3e6
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(again.encode(images)[0], model.encode(images)[0], atol=1e-4)
    np.testing.assert_allclose(again.decode(model.encode(images)[0]), model.decode(model.encode(images)[0]), atol=1e-4)
    raw = np.asarray(model._posterior(images, False)[0])
    np.testing.assert_allclose(model.encode(images)[0], (raw - model.center) / model.scale, atol=1e-4)
    assert np.abs(np.asarray(model.scale) - 1).max() > 1e-3


def test_its_loss_sees_by_what_the_network_learned():
    features_network.cache_clear()
    model = small()
    model.compile(keras.optimizers.Adam(1e-5))
    model.fit(((IMAGES,) for _ in range(1)), steps_per_epoch=1, verbose=0)
    kept = PerceptualDistance().network.get_weights()
    features_network.cache_clear()
    # In a graph its weights would have stayed random.
    for one, other in zip(kept, features_network(*PARTS).get_weights(), strict=True):
        np.testing.assert_allclose(one, other)


@pytest.mark.slow
def test_jax_trains_it_too(monkeypatch):
    run_on_jax(
        monkeypatch,
        """
        from cvae.systems.flow.autoencoder import Autoencoder
        model = Autoencoder(width=1 / 6); model.compile(keras.optimizers.Adam(2e-3))
        x = np.ones((8, 64, 64, 3), np.float32) * np.linspace(0, 1, 8, dtype=np.float32)[:, None, None, None]
        l1 = model.fit(((x,) for _ in range(20)), epochs=2, steps_per_epoch=10, verbose=0).history['l1']
        assert l1[1] < l1[0], l1
        """,
    )
