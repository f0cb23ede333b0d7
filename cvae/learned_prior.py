"""A learned prior for a trained model: which latents go with an embedding, or which image's embedding with a text's."""

import pathlib

import numpy as np
from tqdm import tqdm

from cvae.fitting import fit_under_bar
from cvae.noise import further_noise
from cvae.runs import find_model, info_of, load_keras, read_prompted_config, save_without_optimizer
from cvae.training import wants_xla
from cvae.variants import find_variant
from preprocess.datasets import load
from preprocess.errors import UserError
from preprocess.files import atomic_path, sha256
from preprocess.quiet import import_keras
from preprocess.records import embeddings_of, read_shard

STEPS, BATCH_SIZE, LEARNING_RATE = 3000, 128, 1e-3
# For latents, and for embeddings.
LATENT_FLOW = {"width": 256, "depth": 3, "condition_noise": 1.0}
EMBEDDING_FLOW = {"width": 512, "depth": 3, "condition_noise": 0.5}


class WithLatentPrior:
    """A CVAE that draws its latents by a flow.

    Attributes:
        model: a `cvae.clip_cvae.ClipCVAE`. flow: a `cvae.rectified_flow.RectifiedFlow` of its latents.
    """

    def __init__(self, model, flow):
        self.model, self.flow = model, flow
        self.latent_dim = model.latent_dim

    def draw(self, noise, embedding):
        """Gives pictures, as `ClipCVAE.draw`, for Gaussian noise (n, latent_dim) and embeddings (n, embedding_dim)."""
        return self.model.decode(self.flow.sample(noise, embedding), embedding)


class WithEmbeddingPrior:
    """A `LatentFlow` that is told images' embeddings drawn by a flow: unCLIP's prior (Ramesh et al. 2022, section 2.2).

    Attributes:
        model: a `cvae.latent_flow.LatentFlow`. flow: a `cvae.rectified_flow.RectifiedFlow` of embeddings.
    """

    def __init__(self, model, flow):
        self.model, self.flow = model, flow
        self.latent_dim = model.latent_dim

    def draw(self, noise, texts):
        """Gives pictures, as `LatentFlow.draw`."""
        return self.model.draw_embeddings(noise, self.guess(noise, texts))

    def guess(self, noise, texts):
        """As `LatentFlow.guess`; the embeddings' noise follows from the pictures'."""
        embeddings = self.flow.sample(further_noise(noise, self.flow.shape[0]), texts)
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def with_flow_prior(run, model):
    """The run's `WithLatentPrior`, or `WithEmbeddingPrior` for a `LatentFlow`; its flow is trained once, and kept.

    Raises:
        UserError: the data that it would be trained on are gone, or others.
    """
    config = read_prompted_config(run)
    variant = find_variant(config["variant"])
    # A model that was trained on has other latents, but the same embeddings.
    of = "embeddings" if variant.system == "flow" else sha256(find_model(run))[:8]
    path = pathlib.Path(run) / f"prior-{of}.keras"
    try:
        flow = load_keras(path)
    except UserError:  # not there, or damaged
        flow = _learn(run, config, model, variant)
        with atomic_path(path) as partial:
            save_without_optimizer(flow, partial)
        for outdated in set(path.parent.glob("prior-*.keras")) - {path}:
            outdated.unlink()
        flow = load_keras(path)
    # What it would draw by itself; more would leave the latents that the decoder knows.
    flow.guidance = 1.0
    return (WithEmbeddingPrior if variant.system == "flow" else WithLatentPrior)(model, flow)


def _learn(run, config, model, variant):
    info = info_of(run, config, "its prior is learned from them: put them back, or leave --prior out")
    if info.clip != config["clip"]:
        raise UserError(f"{info.folder} was embedded by another encoder since {run} was trained; train it again.")
    return _learn_embeddings(info) if variant.system == "flow" else _learn_latents(model, info, variant)


def encode_posteriors(model, info, variant):
    """The posteriors of the training images: (means, deviations, conditions), float32 of as many rows."""
    batches = load(info.folder, variant.image_size, variant.condition, "train", min(32, info.counts["train"]))
    rows = []
    for images, told in tqdm(batches, "encoding latents", unit="batch", leave=False):
        mean, log_var = model.encode(images, told)
        rows.append((np.asarray(mean), np.exp(0.5 * np.asarray(log_var)), np.asarray(told)))
    return tuple(np.concatenate(parts) for parts in zip(*rows))


def _learn_latents(model, info, variant):
    mean, deviation, told = encode_posteriors(model, info, variant)

    def draw(rng, rows):
        return mean[rows] + deviation[rows] * rng.standard_normal(mean[rows].shape), told[rows]

    return _train(draw, len(mean), LATENT_FLOW)


def _learn_embeddings(info):
    shards = [info.folder / name for name in info.shards if name.startswith("train")]
    images, texts = zip(*(embeddings_of(example) for shard in shards for example in read_shard(shard)))
    ids = np.repeat(np.arange(len(texts)), [len(captions) for captions in texts])
    images, texts = np.stack(images), np.concatenate(texts)
    return _train(lambda rng, rows: (images[ids[rows]], texts[rows]), len(texts), EMBEDDING_FLOW)


def _train(draw, count, network):
    """A flow of what `draw(rng, rows)` gives for rows below `count`: (vectors, conditions)."""
    keras = import_keras()
    from cvae.optimizers import Adam
    from cvae.rectified_flow import RectifiedFlow

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    vectors, told = draw(rng, np.arange(count))
    flow = RectifiedFlow(vectors.shape[1:], told.shape[1], **network)
    flow.adapt(vectors)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, STEPS)
    flow.compile(Adam(schedule, use_ema=True, ema_momentum=0.99), jit_compile=wants_xla())

    def batches():
        for _ in range(STEPS):
            vectors, told = draw(rng, rng.integers(0, count, BATCH_SIZE))
            yield ((np.asarray(vectors, np.float32), told),)

    # `fit` leaves the averages in the place of the weights.
    fit_under_bar("the prior", flow, batches(), steps=STEPS, steps_per_epoch=STEPS, shuffle=False)
    return flow
