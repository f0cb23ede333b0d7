import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.nn import losses
from cvae.systems.coursework.model import ClipCVAE
from tests.helpers import ROOT

rng = np.random.default_rng(0)
EMBEDDING = rng.standard_normal((8, 512)).astype(np.float32)
EMBEDDING /= np.linalg.norm(EMBEDDING, axis=1, keepdims=True)


def images(size, count=8):
    return rng.random((count, size, size, 3), np.float32)


def small(size=64, **options):
    keras.utils.set_random_seed(0)
    return ClipCVAE(size, width=1 / 16, **options)


@pytest.mark.parametrize(("size", "parameters"), [(64, 19_920_931), (128, 32_503_843)])
def test_parameter_counts_of_the_coursework(size, parameters):
    assert ClipCVAE(size).count_params() == parameters


@pytest.mark.parametrize("size", [64, 128])
def test_layers_follow_the_table(size):
    model = ClipCVAE(size)
    convolutions = [
        (type(layer).__name__, layer.filters, layer.kernel_size[0], layer.strides[0])
        for part in (model.encoder, model.decoder)
        for layer in part.layers
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose))
    ]
    assert convolutions == [
        ("Conv2D", 256, 3, 2), ("Conv2D", 256, 5, 2), ("Conv2D", 128, 3, 2), ("Conv2D", 128, 3, 2),
        ("Conv2DTranspose", 256, 3, 2), ("Conv2DTranspose", 256, 5, 2), ("Conv2DTranspose", 128, 5, 2),
        ("Conv2DTranspose", 128, 3, 1), ("Conv2DTranspose", 32, 5, 2 if size == 128 else 1), ("Conv2D", 3, 5, 1),
    ]  # fmt: skip
    dense = [layer.units for part in (model.encoder, model.decoder) for layer in part.layers
             if isinstance(layer, keras.layers.Dense)]  # fmt: skip
    assert dense == [2048, 2048, 1024, 128, 128, 32, 16384]


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_shapes_and_ranges(size, policy):
    model = small(size, dtype=policy)
    picture, mean, log_var = model((images(size), EMBEDDING))
    assert picture.shape == (8, size, size, 3) and mean.shape == log_var.shape == (8, 128)
    assert {picture.dtype, mean.dtype, log_var.dtype} == {tf.float32}
    assert np.min(picture) >= 0 and np.max(picture) <= 1


def test_other_sizes_are_refused():
    with pytest.raises(ValueError, match="64 or 128"):
        ClipCVAE(96)


def test_the_loss_is_its_parts():
    model = small(dropout=0.0)
    image = images(64)
    outputs = model((image, EMBEDDING))
    loss = model.compute_loss(x=(image, EMBEDDING), y_pred=outputs)
    bce, kl = np.mean(losses.bce(image, outputs[0])), np.mean(losses.kl_divergence(*outputs[1:]))
    ssim = np.mean(tf.image.ssim(image, outputs[0], 1.0))
    np.testing.assert_allclose(loss, bce + 0.5 * kl + 0.1 * (1 - ssim), rtol=1e-5)
    logged = {metric.name: float(metric.result()) for metric in model.metrics}
    np.testing.assert_allclose([logged["bce"], logged["kl"], logged["ssim"]], [bce, kl, ssim], rtol=1e-4)


def test_dropout_acts_on_the_latent_in_training_only():
    model = small(dropout=0.3)
    z = np.ones((200, 128), np.float32)
    assert np.mean(np.asarray(model.latent_dropout(z, training=True)) == 0) == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(model.latent_dropout(z, training=False), z)


def test_pictures_depend_on_the_embedding():
    model = small()
    z = np.zeros((2, 128), np.float32)
    first, second = np.asarray(model.decode(z, EMBEDDING[:2]))
    assert np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_fit_lowers_the_loss(policy):
    model = small(dtype=policy)
    model.compile(keras.optimizers.Adam(1e-3))
    flat = np.full((8, 64, 64, 3), 0.9, np.float32)
    data = tf.data.Dataset.from_tensors(((flat, EMBEDDING),)).repeat(8)
    history = model.fit(data, epochs=4, verbose=0, shuffle=False).history
    assert set(history) == {"loss", "bce", "kl", "ssim"}
    assert np.isfinite(history["loss"]).all() and history["loss"][-1] < 0.8 * history["loss"][0]
    assert set(model.evaluate(data, return_dict=True, verbose=0)) == set(history)


def test_arrays_and_tensors_mix():
    model = small()
    z = rng.standard_normal((8, 128)).astype(np.float32)
    expected = np.asarray(model.decode(z, EMBEDDING))
    np.testing.assert_allclose(model.decode(keras.ops.convert_to_tensor(z), EMBEDDING), expected, atol=1e-5)
    mean, _ = model.encode(images(64), keras.ops.convert_to_tensor(EMBEDDING))
    assert mean.shape == (8, 128)


def test_config_rebuilds_the_model():
    model = small(latent_dim=16, dropout=0.1, embedding_dim=512, dtype="mixed_bfloat16")
    again = ClipCVAE.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert [weight.shape for weight in again.weights] == [weight.shape for weight in model.weights]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_saved_model_answers_the_same_in_a_fresh_process(tmp_path, backend):
    pytest.importorskip(backend)
    model = small()
    z, image = rng.standard_normal((8, 128)).astype(np.float32), images(64)
    picture, (mean, log_var) = model.decode(z, EMBEDDING), model.encode(image, EMBEDDING)
    outputs = [np.asarray(value) for value in (picture, mean, log_var)]
    loss = model.compute_loss(x=(image, EMBEDDING), y_pred=outputs)
    model.save(tmp_path / "model.keras")
    stored = dict(zip(("picture", "mean", "log_var"), outputs))
    np.savez(tmp_path / "inputs.npz", z=z, image=image, embedding=EMBEDDING, loss=np.asarray(loss), **stored)
    script = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import keras, numpy as np, cvae.systems.coursework.model
assert keras.backend.backend() == {backend!r}
stored = np.load({str(tmp_path / "inputs.npz")!r})
image, embedding = stored["image"], stored["embedding"]
model = keras.models.load_model({str(tmp_path / "model.keras")!r}, safe_mode=True)
outputs = [model.decode(stored["z"], embedding), *model.encode(image, embedding)]
for name, value in zip(("picture", "mean", "log_var"), outputs):
    np.testing.assert_allclose(value, stored[name], atol=1e-4)
np.testing.assert_allclose(model.compute_loss(x=(image, embedding), y_pred=outputs), stored["loss"], rtol=1e-5)
"""
    environment = os.environ | {"KERAS_BACKEND": backend}
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=environment)
