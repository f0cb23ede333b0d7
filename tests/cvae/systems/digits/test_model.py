import subprocess
import sys

import keras
import numpy as np
import pytest

from cvae.systems.digits.model import WEIGHTS, ClipVAE
from cvae.systems.digits.published import read_state_dict
from preprocess.mnist import read_mnist
from preprocess.utils.errors import UserError
from tests.helpers import ROOT, command, run_on_jax, shared

rng = np.random.default_rng(0)
IMAGES = rng.random((12, 28, 28, 1), np.float32)
DIGITS = (np.arange(12) % 10).astype(np.int32)


def small(**options):
    keras.utils.set_random_seed(0)
    return ClipVAE(width=8, depth=2, latent_dim=4, **options)


@pytest.fixture(scope="module")
def published():
    """The model of the published weights, and what it answers."""
    model = ClipVAE.from_torch(shared("data", "clip_vae_mnist", "phykn_clip_vae_mnist.pt"))
    with np.load(shared("data", "clip_vae_mnist", "reference_outputs.npz")) as stored:
        return model, dict(stored)


@pytest.mark.parametrize("convolutional", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_shapes_and_ranges(convolutional, policy):
    model = small(convolutional=convolutional, dtype=policy)
    (picture, mean, log_var, z), (logits, *of_label) = model((IMAGES, DIGITS))
    assert picture.shape == IMAGES.shape and logits.shape == (12, 10)
    assert {tuple(part.shape) for part in (mean, log_var, z, *of_label)} == {(12, 4)}
    assert {str(keras.backend.standardize_dtype(part.dtype)) for part in (picture, mean, log_var, logits)} == {
        "float32"
    }
    assert np.min(picture) >= 0 and np.max(picture) <= 1
    assert model.decode_image(np.zeros((3, 4), np.float32)).shape == (3, 28, 28, 1)
    assert model.decode_label(np.zeros((3, 4), np.float32)).shape == (3, 10)


def test_loss_is_the_sum_of_its_parts():
    model = small(term_weights={"contrastive": 3.0, "label_kl": 0.5})
    model.compile("adam")
    logs = model.evaluate(batches(), return_dict=True, verbose=0)
    assert set(logs) == {"loss", *WEIGHTS}
    expected = (
        3 * logs["contrastive"] + logs["image_kl"] + 0.5 * logs["label_kl"] + logs["image_bce"] + logs["label_ce"]
    )
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_critic_pulls_at_training_and_leaves_validation_alone():
    plain, model = small(convolutional=True), small(convolutional=True, realism=2.0)
    model.compile("adam")
    logs = model.evaluate(batches(), return_dict=True, verbose=0)
    assert logs["realism"] > 0 and logs["critic"] > 0
    assert logs["loss"] == pytest.approx(sum(logs[name] for name in WEIGHTS), rel=1e-5)
    history = model.fit(batches(), verbose=0, shuffle=False).history
    trained = 2 * history["realism"][0] + history["critic"][0] + sum(history[name][0] for name in WEIGHTS)
    assert history["loss"][0] == pytest.approx(trained, rel=1e-4)
    assert len(model.trainable_weights) == len(plain.trainable_weights) + len(model.critic.trainable_weights)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_critic_takes_small_batches(count):
    model = small(convolutional=True, realism=2.0)
    model.compile("adam")
    logs = model.evaluate(batches().unbatch().take(count).batch(count), return_dict=True, verbose=0)
    assert all(np.isfinite(value) for value in logs.values())


@pytest.mark.slow
def test_jax_trains_with_a_critic_too(monkeypatch):
    run_on_jax(
        monkeypatch,
        """
        from cvae.systems.digits.model import ClipVAE
        model = ClipVAE(width=8, latent_dim=4, convolutional=True, realism=2.0); model.compile('adam')
        x = np.random.default_rng(0).random((12, 28, 28, 1), np.float32), np.arange(12, dtype=np.int32) % 10
        before = [np.asarray(w) for w in model.critic.trainable_weights]
        history = model.fit(((x,) for _ in range(40)), epochs=2, steps_per_epoch=20, verbose=0).history
        assert history['critic'][1] < history['critic'][0] and history['loss'][1] < history['loss'][0]
        assert all(np.abs(np.asarray(w) - b).max() > 0 for w, b in zip(model.critic.trainable_weights, before))
        """,
    )


def test_the_noise_of_samples_is_that_of_training():
    assert small(original=True).noise((50, 4), 0).min() >= 0
    assert small().noise((50, 4), 0).min() < -1


def batches(batch=12):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((IMAGES, DIGITS)).batch(batch).map(lambda x, y: ((x, y),))


def test_the_originals_reductions_are_means():
    # The same weights and no noise: log-variances of -20.
    parts = {}
    for original in (False, True):
        model = small(original=original)
        for network in (model.image_encoder, model.label_encoder):
            kernel, bias = network.layers[-1].weights
            kernel.assign(0 * kernel)
            bias.assign(0 * bias - 20)
        model.compile("adam")
        parts[original] = model.evaluate(batches(), return_dict=True, verbose=0)
    plain, theirs = parts[False], parts[True]
    assert plain["image_bce"] == pytest.approx(784 * theirs["image_bce"], rel=1e-3)
    for name in ("image_kl", "label_kl"):
        assert plain[name] == pytest.approx(4 * theirs[name], rel=1e-3)
    assert plain["label_ce"] == pytest.approx(theirs["label_ce"], rel=1e-3)
    # Two pairs each of 0 and of 1: the original counts the other one as wrong.
    assert plain["contrastive"] < theirs["contrastive"]


def test_the_originals_noise_is_uniform():
    zeros = np.zeros((4000, 4), np.float32)
    uniform = np.asarray(small(original=True).reparameterize(zeros, zeros))
    assert uniform.min() >= 0 and uniform.max() < 1 and uniform.mean() == pytest.approx(0.5, abs=0.02)
    gaussian = np.asarray(small().reparameterize(zeros, zeros))
    assert gaussian.mean() == pytest.approx(0, abs=0.05) and gaussian.std() == pytest.approx(1, abs=0.05)


def test_the_logit_scale_starts_at_clips_and_is_capped():
    model = small()
    assert float(model.logit_scale()) == pytest.approx(1 / 0.07)
    assert any(weight is model.log_scale for weight in model.trainable_weights)
    model.log_scale.assign(9.0)
    assert float(model.logit_scale()) == pytest.approx(100)
    keras.optimizers.SGD(0.1).apply([keras.ops.zeros(())], [model.log_scale])
    assert float(model.log_scale) == pytest.approx(np.log(100))


def test_shared_blocks_have_one_blocks_weights():
    one, many = small(share_blocks=True), small()
    assert one.count_params() < many.count_params()
    assert ClipVAE(width=8, depth=1, latent_dim=4).count_params() == one.count_params()


@pytest.mark.slow
@pytest.mark.parametrize("convolutional", [False, True])
def test_training_lowers_the_loss_and_a_fresh_process_answers_the_same(tmp_path, convolutional):
    model = small(convolutional=convolutional)
    model.compile(keras.optimizers.Adam(3e-3))
    losses = model.fit(batches(6).repeat(20), epochs=3, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "expected.npz", images=IMAGES, mean=model.encode_image(IMAGES)[0])
    code = (
        "import keras, numpy as np; import cvae.systems.digits.model\n"
        f"model = keras.models.load_model(r'{tmp_path}/model.keras', safe_mode=True)\n"
        f"stored = np.load(r'{tmp_path}/expected.npz')\n"
        "np.testing.assert_allclose(model.encode_image(stored['images'])[0], stored['mean'], atol=1e-5)"
    )
    process = command("-c", code)
    assert process.returncode == 0, process.stderr


def test_an_unknown_term_is_an_error():
    with pytest.raises(ValueError, match="beauty"):
        small(term_weights={"beauty": 1.0})


def test_published_weights_answer_as_published(published):
    model, expected = published
    images = read_mnist(shared("data", "mnist")).images["test"][expected["image_index"]] / np.float32(255)
    mean, log_var = model.encode_image(images)
    label_mean, label_log_var = model.encode_label(np.arange(10))
    answers = {
        "image_mu": mean,
        "image_log_var": log_var,
        "label_mu": label_mean,
        "label_log_var": label_log_var,
        "decoded_image": np.reshape(model.decode_image(expected["z"]), (-1, 784)),
        "decoded_label_logits": model.decode_label(expected["z"]),
        "logit_scale": model.logit_scale(),
    }
    for name, answer in answers.items():
        np.testing.assert_allclose(answer, expected[name], atol=1e-4, err_msg=name)
    assert (model.latent_dim, model.width, model.depth, model.share_blocks) == (16, 64, 6, True)


# Random weights of another size, written by PyTorch in a process of its own: blocks that share nothing.
_WRITE = """
import sys, torch
torch.manual_seed(0)
w, d, z = 12, 3, 5
shapes = {"image_encoder.stem": (w, 784), "image_decoder.stem": (w, z), "image_decoder.out": (784, w)}
shapes |= {"label_decoder.stem": (w, z), "label_decoder.net.1": (w, w), "label_decoder.out": (10, w)}
shapes |= {"label_encoder.net.2": (w, w)}
shapes |= {f"{part}_encoder.to_{name}": (z, w) for part in ("image", "label") for name in ("mu", "log_var")}
norms = ["label_encoder.net.1", "label_decoder.net.0"]
for part in ("image_encoder", "image_decoder"):
    for i in range(d):
        norms.append(f"{part}.blocks.{i}.0")
        shapes[f"{part}.blocks.{i}.1"] = (w, w)
state = {"logit_scale": torch.tensor(2.0), "label_encoder.net.0.weight": torch.randn(10, w)}
for name, (rows, columns) in shapes.items():
    state |= {f"{name}.weight": torch.randn(rows, columns) / columns**0.5, f"{name}.bias": torch.randn(rows)}
for name in norms:
    state |= {f"{name}.weight": torch.rand(w), f"{name}.bias": torch.randn(w)}
x, zs = torch.rand(6, 784), torch.randn(6, z)
def linear(name, x): return torch.nn.functional.linear(x, state[name + ".weight"], state[name + ".bias"])
def norm(name, x): return torch.nn.functional.layer_norm(x, (w,), state[name + ".weight"], state[name + ".bias"])
def trunk(part, h):
    h = linear(part + ".stem", h)
    for i in range(d):
        h = h + torch.nn.functional.gelu(linear(f"{part}.blocks.{i}.1", norm(f"{part}.blocks.{i}.0", h)))
    return h
import numpy as np
np.savez(sys.argv[2], x=x, z=zs, mean=linear("image_encoder.to_mu", trunk("image_encoder", x)),
         image=torch.sigmoid(linear("image_decoder.out", trunk("image_decoder", zs))))
torch.save(state, sys.argv[1])
"""


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A PyTorch file of random weights of another size, and what a plain PyTorch model answers with them."""
    folder = tmp_path_factory.mktemp("weights")
    subprocess.run([sys.executable, "-c", _WRITE, folder / "weights.pt", folder / "expected.npz"], check=True)
    with np.load(folder / "expected.npz") as expected:
        return folder / "weights.pt", dict(expected)


@pytest.fixture(scope="module")
def state(random_weights):
    return read_state_dict(random_weights[0])


def test_weights_of_another_size_are_loaded_too(random_weights):
    path, expected = random_weights
    model = ClipVAE.from_torch(path)
    assert (model.latent_dim, model.width, model.depth, model.share_blocks) == (5, 12, 3, False)
    mean, _ = model.encode_image(expected["x"].reshape(-1, 28, 28, 1))
    np.testing.assert_allclose(mean, expected["mean"], atol=1e-4)
    pictures = np.reshape(model.decode_image(expected["z"]), (-1, 784))
    np.testing.assert_allclose(pictures, expected["image"], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_encoder.stem.weight": np.zeros((64, 100))}, "for 100 pixels"),
        ({"label_encoder.net.0.weight": np.zeros((12, 12))}, "12 labels"),
        ({"label_decoder.out.weight": np.zeros((9, 12))}, "other shapes than a CLIP-VAE's in its label_decoder"),
        ({"image_decoder.out.bias": None}, "lacks 'image_decoder.out.bias'"),
        ({"image_encoder.to_mu.weight": None}, "other weights than a CLIP-VAE's"),
        ({"logit_scale": None}, "lacks 'logit_scale'"),
        ({"logit_scale": np.zeros(3)}, "3 logit scales"),
        ({"image_encoder.to_mu.weight": np.zeros(())}, "other weights than a CLIP-VAE's"),
        ({"image_decoder.blocks.9.0.weight": np.zeros(12)}, "blocks in one perceptron"),
    ],
)
def test_other_weights_give_one_sentence(state, monkeypatch, change, words):
    changed = {name: array for name, array in (state | change).items() if array is not None}
    monkeypatch.setattr("cvae.systems.digits.published.read_state_dict", lambda path: changed)
    with pytest.raises(UserError, match=words):
        ClipVAE.from_torch("weights.pt")


def test_files_that_hold_no_weights_give_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"gone.pt not found"):
        ClipVAE.from_torch(tmp_path / "gone.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UserError, match="text.pt is no PyTorch file"):
        ClipVAE.from_torch(tmp_path / "text.pt")


def test_nothing_hidden_in_a_file_is_run(tmp_path):
    code = (
        "import os, sys, torch\n"
        "class Hidden:\n"
        "    def __reduce__(self): return os.mkdir, (sys.argv[2],)\n"
        "torch.save({'image_encoder.stem.weight': Hidden()}, sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "bad.pt", tmp_path / "made"], check=True, cwd=ROOT)
    with pytest.raises(UserError, match="is no PyTorch file"):
        ClipVAE.from_torch(tmp_path / "bad.pt")
    assert not (tmp_path / "made").exists()
