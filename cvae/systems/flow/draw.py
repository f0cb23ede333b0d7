"""A flow that draws with given options: guidance, steps and an embedding prior."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from cvae.nn.samplers import SamplerOptions
from cvae.runs import Run
from cvae.systems.flow.learned_prior import LearnedEmbeddingPrior, open_learned_prior


class FlowDrawer:
    """What draws pictures with a flow.

    Attributes:
        model: a `cvae.systems.flow.model.LatentFlow`. options: of its sampler.
        prior: the name of its embedding prior, None for the model's own. learned: a learned one in its place, or None.
    """

    def __init__(
        self,
        model: Any,
        options: SamplerOptions,
        prior: str | None = None,
        learned: LearnedEmbeddingPrior | None = None,
    ) -> None:
        self.model, self.options, self.prior, self.learned = model, options, prior, learned
        self.latent_dim: int = model.latent_dim

    def draw(self, noise: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Gives pictures, as `LatentFlow.draw`, for Gaussian noise (n, latent_dim) and texts' embeddings (n, d)."""
        return self.model.draw_embeddings(noise, self.guess(noise, texts), self.options)

    def draw_in_steps(self, noise: np.ndarray, texts: np.ndarray) -> Iterator[np.ndarray]:
        """As `draw`, yielding the pictures that each step leads to; the last are what is drawn."""
        return self.model.draw_in_steps(noise, self.guess(noise, texts), self.options)

    def guess(self, noise: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """The embeddings of images that the prior leads to, float32 (n, d)."""
        return self.learned(noise, texts) if self.learned else self.model.guess(noise, texts, self.prior)


def sampler_options(model: Any, guidance: float | None = None, steps: int | None = None) -> SamplerOptions:
    """A flow's own `SamplerOptions`, with what is given in their place."""
    given = {"guidance": guidance, "steps": steps}
    return dataclasses.replace(model.options, **{name: value for name, value in given.items() if value is not None})


def open_drawer(
    run: Run, guidance: float | None = None, steps: int | None = None, prior: str | None = None
) -> FlowDrawer:
    """A run's flow, which draws as asked.

    Args:
        run: the run. guidance, steps: see `SamplerOptions`.
        prior: which embedding prior leads from texts to images, see `EmbeddingPrior`. "flow" draws an image's
            embedding, and learns what is needed for that the first time.

    Raises:
        UserError: no model yet, or data gone that a prior would be learned from.
    """
    model = run.model()
    options = sampler_options(model, guidance, steps)
    if prior == "flow":
        return FlowDrawer(model, options, learned=open_learned_prior(run))
    return FlowDrawer(model, options, prior)
