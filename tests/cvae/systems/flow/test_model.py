import keras
import numpy as np
import pytest

from cvae.nn.optimizers import Adam
from cvae.nn.samplers import SamplerOptions
from cvae.systems.flow.autoencoder import Autoencoder
from cvae.systems.flow.model import ALIGNED, LatentFlow

PATCHES = 4


@pytest.fixture(params=[8, 16], ids=["64 tokens", "256 tokens"])
def flow(request):
    keras.utils.set_random_seed(0)
    return LatentFlow(
        Autoencoder(width=1 / 16), 8, width=64, depth=2, image_size=64, patch_dim=PATCHES, side=request.param
    )


def pairs(count, rng):
    latents = rng.standard_normal((count, 16, 16, 4)).astype(np.float32)
    embeddings = rng.standard_normal((count, 8)).astype(np.float32)
    return latents, embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def test_tokens_learn_to_point_where_patches_do(flow):
    rng = np.random.default_rng(0)
    latents, embeddings = pairs(16, rng)
    patches = np.repeat(rng.standard_normal((1, 64, PATCHES)).astype(np.float32), 16, axis=0)
    flow.compile(Adam(1e-2))
    before = flow.test_on_batch((latents, embeddings, patches), return_dict=True)
    for _ in range(30):
        trained = flow.train_on_batch((latents, embeddings, patches), return_dict=True)
    after = flow.test_on_batch((latents, embeddings, patches), return_dict=True)
    assert before["alignment"] > 0.8 and after["alignment"] < 0.2
    assert trained["loss"] > 0


def test_validation_is_of_the_velocity_alone(flow):
    velocity = np.zeros((2, 16, 16, 4), np.float32)
    pointing = np.eye(PATCHES, dtype=np.float32)[np.zeros((2, 64), int)]
    answers = (velocity, velocity, pointing, -pointing)
    assert float(flow.compute_loss(y_pred=answers, training=False)) == pytest.approx(0)
    assert float(flow.compute_loss(y_pred=answers, training=True)) == pytest.approx(2 * ALIGNED)


def test_it_is_saved_with_its_patches_and_its_guidance(flow, tmp_path):
    flow.options = SamplerOptions(1.5, interval=(0.1, 0.9))
    flow.save(tmp_path / "flow.keras")
    loaded = keras.models.load_model(tmp_path / "flow.keras")
    assert loaded.patch_dim == PATCHES and loaded.revision == 2 and loaded.side == flow.side
    assert loaded.options == flow.options
    chosen = SamplerOptions(3.0, 12, "heun", (0.0, 1.0))
    flow.options = chosen
    assert LatentFlow.from_config(flow.get_config()).options == chosen
    flow.options = loaded.options
    noise, texts = np.ones((1, flow.latent_dim), np.float32), np.ones((1, 8), np.float32)
    np.testing.assert_allclose(loaded.draw(noise, texts), flow.draw(noise, texts), atol=1e-4)


def test_files_of_the_time_when_all_were_drawn_by_euler_chose_no_sampler(flow):
    config = flow.get_config()
    del config["sampling"]
    older = {"guidance": 3.0, "steps": 8, "sampler": "euler", "interval": (0.0, 1.0)}
    loaded = LatentFlow.from_config(config | {"options": older})
    assert loaded.options == SamplerOptions(3.0, interval=(0.0, 1.0))
