import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.keras_files import BEST
from cvae.log import read_log
from cvae.runs import Run
from cvae.systems.flow import sharp_autoencoder
from cvae.systems.flow.autoencoder import Autoencoder
from cvae.systems.flow.sharp_autoencoder import PARTS, SharpAutoencoder
from cvae.training.loop import train
from preprocess.utils.errors import UserError

IMAGES = np.random.default_rng(0).random((12, 64, 64, 3), np.float32)


@pytest.fixture
def few_features(monkeypatch):
    """Colours as features, so that nobody waits for EfficientNet."""

    def features(self, images):
        return [tf.repeat(images[:, ::4, ::4, :1], channels, axis=-1) for channels in PARTS.values()]

    monkeypatch.setattr(SharpAutoencoder, "_features", features)
    monkeypatch.setattr(SharpAutoencoder, "_perceptual", lambda self, target, picture: 0.0)


def test_it_draws_other_pictures_of_the_same_latents(few_features):
    keras.utils.set_random_seed(0)
    source, model = Autoencoder(width=1 / 6), SharpAutoencoder(width=1 / 6)
    source.center.assign([0.1, 0.2, 0.3, 0.4])
    model.begin_with(source)
    latents = source.encode(IMAGES)[0]
    np.testing.assert_allclose(model.decode(latents), source.decode(latents), atol=1e-6)
    model.compile(keras.optimizers.Adam(1e-3))
    history = model.fit(((IMAGES,) for _ in range(6)), epochs=2, steps_per_epoch=3, verbose=0).history
    assert {"l1", "critic", "loss"} <= set(history) and history["critic"][0] > 0
    np.testing.assert_array_equal(model.encode(IMAGES)[0], latents)
    assert np.abs(np.asarray(model.decode(latents)) - np.asarray(source.decode(latents))).max() > 1e-3


def test_the_decoder_gains_what_the_critic_loses(few_features, monkeypatch):
    def gradients(heeded):
        monkeypatch.setattr(sharp_autoencoder, "HEEDED", heeded)
        keras.utils.set_random_seed(0)
        model, pictures = SharpAutoencoder(width=1 / 6), tf.Variable(IMAGES[::-1])
        with tf.GradientTape() as tape:
            loss = model._criticise(tf.constant(IMAGES), pictures)
        mine, critics = tape.gradient(loss, (pictures, [weight.value for weight in model.critics[0].trainable_weights]))
        return float(loss), np.asarray(mine), np.asarray(critics[0])

    loss, turned, critics = gradients(0.05)
    # As it would be without turning it around.
    plain_loss, plain, plain_critics = gradients(-1.0)
    assert np.abs(plain).max() > 0 and loss == pytest.approx(plain_loss, rel=1e-4)
    np.testing.assert_allclose(turned, -0.05 * plain, atol=1e-4 * np.abs(plain).max())
    np.testing.assert_allclose(critics, plain_critics, atol=1e-4 * np.abs(critics).max())


def test_it_is_trained_on_from_another_run_and_is_a_flows_autoencoder(few_features, flow_run, tmp_path):
    source, data = flow_run / "autoencoder", Run(flow_run).config["data"]
    given = {"epochs": 1, "batch_size": 12, "init": str(source), "precision": "float32"}
    with pytest.raises(UserError, match="leave --width out"):
        train("sharp-autoencoder", data, tmp_path / "other", given | {"width": 0.5})
    with pytest.raises(UserError, match="is a 64-flow; give --init the run of an autoencoder"):
        train("sharp-autoencoder", data, tmp_path / "other", given | {"init": str(flow_run)})
    train("sharp-autoencoder", data, tmp_path / "sharp", given)
    assert read_log(tmp_path / "sharp")[0]["critic"] > 0 and (tmp_path / "sharp" / BEST).is_file()
    sharp, model = Run(tmp_path / "sharp").model(), Run(source).model()
    np.testing.assert_allclose(sharp.encode(IMAGES)[0], model.encode(IMAGES)[0], atol=1e-5)
    flow = {"epochs": 1, "batch_size": 16, "width": 1 / 8, "autoencoder": str(tmp_path / "sharp")}
    train("64-flow", data, tmp_path / "flow", flow)
    assert isinstance(Run(tmp_path / "flow").model().autoencoder, SharpAutoencoder)
