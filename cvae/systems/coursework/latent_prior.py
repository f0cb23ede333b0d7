"""A learned latent prior: which latents go with an embedding."""

from typing import Any

import numpy as np

from cvae.registry import Variant
from cvae.runs import Run
from cvae.sampling.draw import Drawer
from cvae.training.learned_prior import learn_flow, load_or_learn, prior_data
from preprocess.shards.info import DataInfo
from preprocess.shards.read import load
from preprocess.utils.files import sha256
from preprocess.utils.progress import progress_bar

NETWORK = {"width": 256, "depth": 3, "condition_noise": 1.0}


class WithLatentPrior:
    """A CVAE that draws its latents by a flow.

    Attributes:
        model: a `ClipCVAE`. flow: a `cvae.nn.rectified_flow.RectifiedFlow` of its latents.
    """

    def __init__(self, model: Any, flow: Any) -> None:
        from cvae.nn.samplers import SamplerOptions

        self.model, self.flow = model, flow
        self.latent_dim: int = model.latent_dim
        # As the latents are distributed; guided ones would leave those that the decoder knows.
        self.options = SamplerOptions(guidance=1.0, steps=12)

    def draw(self, noise: np.ndarray, embedding: np.ndarray) -> Any:
        """Gives pictures, as `ClipCVAE.draw`, for Gaussian noise (n, latent_dim) and embeddings (n, embedding_dim)."""
        return self.model.decode(self.flow.sample(noise, embedding, self.options), embedding)


def open_drawer(run: Run, prior: str | None = None) -> Drawer:
    """A run's model, with the learned latent prior if `prior` is "flow"; that is learned the first time.

    Raises:
        UserError: no model yet, or the data that the prior would be learned from are gone, or others.
    """
    model = run.model()
    if prior != "flow":
        return model
    # A model that was trained on has other latents.
    of = sha256(run.find_model())[:8]
    return WithLatentPrior(model, load_or_learn(run, of, lambda: _learn(run, model)))


def _learn(run: Run, model: Any) -> Any:
    mean, deviation, conditions = encode_posteriors(model, prior_data(run), run.variant)

    def draw(rng: np.random.Generator, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return mean[rows] + deviation[rows] * rng.standard_normal(mean[rows].shape), conditions[rows]

    return learn_flow(draw, len(mean), NETWORK)


def encode_posteriors(model: Any, info: DataInfo, variant: Variant) -> tuple[np.ndarray, ...]:
    """The posteriors of the training images: (means, deviations, conditions), float32 of as many rows."""
    size = min(32, info.counts["train"])
    batches = load(info.folder, variant.image_size, variant.condition, "train", size)
    rows = []
    for images, conditions in progress_bar(batches, "encoding latents", unit="batch", leave=False):
        mean, log_var = model.encode(images, conditions)
        rows.append((np.asarray(mean), np.exp(0.5 * np.asarray(log_var)), np.asarray(conditions)))
    return tuple(np.concatenate(parts) for parts in zip(*rows))
