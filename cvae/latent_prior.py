"""A prior for a trained CVAE: which latents go with an embedding, in place of a plain Gaussian."""

import pathlib

import numpy as np
from tqdm import tqdm

from cvae.fitting import fit_under_bar
from cvae.runs import find_model, load_keras, read_prompted_config, save_without_optimizer
from cvae.training import wants_xla
from cvae.variants import find_variant
from preprocess.datasets import load, read_info
from preprocess.errors import UserError
from preprocess.files import atomic_path, sha256
from preprocess.quiet import import_keras

STEPS, BATCH_SIZE, LEARNING_RATE = 3000, 256, 1e-3
WIDTH, DEPTH, CONDITION_NOISE = 256, 3, 1.0


class WithPrior:
    """A CVAE that draws its latents by a flow.

    Attributes:
        model: a `cvae.clip_cvae.ClipCVAE`. flow: a `cvae.rectified_flow.RectifiedFlow` of its latents.
    """

    def __init__(self, model, flow):
        self.model, self.flow = model, flow
        self.latent_dim = model.latent_dim
        # What the flow would draw; more of it would leave the latents that the decoder knows.
        flow.guidance = 1.0

    def draw(self, noise, embedding):
        """Gives pictures, as `ClipCVAE.draw`, for Gaussian noise (n, latent_dim) and embeddings (n, embedding_dim)."""
        return self.model.decode(self.flow.sample(noise, embedding), embedding)


def with_flow_prior(run, model):
    """The run's `WithPrior`; the first time, its flow is trained on the latents of the run's data, and kept.

    Raises:
        UserError: the data that it would be trained on are gone, or others.
    """
    # By the model's hash: one that was trained on has other latents.
    path = pathlib.Path(run) / f"prior-{sha256(find_model(run))[:8]}.keras"
    try:
        return WithPrior(model, load_keras(path))
    except UserError:  # not there, or damaged
        flow = _train(model, *_encode(run, model))
    with atomic_path(path) as partial:
        save_without_optimizer(flow, partial)
    return WithPrior(model, load_keras(path))


def _encode(run, model):
    """The posteriors of a run's training images: (means, deviations, conditions)."""
    config = read_prompted_config(run)
    variant = find_variant(config["variant"])
    if not pathlib.Path(config["data"]).is_dir():
        raise UserError(
            f"the data of {run}, {config['data']}, are not there any more, which its prior is learned from."
        )
    info = read_info(config["data"])
    if info.clip != config["clip"]:
        raise UserError(f"{info.folder} was embedded by another encoder since {run} was trained; train it again.")
    batches = load(info.folder, variant.image_size, variant.condition, "train", min(32, info.counts["train"]))
    rows = []
    for images, told in tqdm(batches, "encoding latents", unit="batch", leave=False):
        mean, log_var = model.encode(images, told)
        rows.append((np.asarray(mean), np.exp(0.5 * np.asarray(log_var)), np.asarray(told)))
    return tuple(np.concatenate(parts) for parts in zip(*rows))


def _train(model, mean, deviation, told):
    keras = import_keras()
    from cvae.optimizers import Adam
    from cvae.rectified_flow import RectifiedFlow

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    flow = RectifiedFlow((model.latent_dim,), told.shape[1], WIDTH, DEPTH, CONDITION_NOISE)
    flow.adapt(mean + deviation * rng.standard_normal(mean.shape))
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, STEPS)
    flow.compile(Adam(schedule, use_ema=True, ema_momentum=0.99), jit_compile=wants_xla())

    def batches():
        for _ in range(STEPS):
            rows = rng.integers(0, len(mean), BATCH_SIZE)
            noise = rng.standard_normal((BATCH_SIZE, model.latent_dim))
            yield (((mean[rows] + deviation[rows] * noise).astype(np.float32), told[rows]),)

    # `fit` leaves the averages in the place of the weights.
    fit_under_bar("the prior", flow, batches(), steps=STEPS, steps_per_epoch=STEPS, shuffle=False)
    return flow
