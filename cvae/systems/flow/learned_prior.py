"""A learned embedding prior: draws an image's embedding for a text's, as unCLIP (Ramesh et al. 2022, section 2.2)."""

from typing import Any

import numpy as np

from cvae.runs import Run
from cvae.training.learned_prior import learn_flow, load_or_learn, prior_data
from cvae.utils.arrays import further_noise
from preprocess.shards.records import embeddings_of, read_shard

NETWORK = {"width": 512, "depth": 3, "condition_noise": 0.5}


class LearnedEmbeddingPrior:
    """Draws images' embeddings for texts' embeddings by a flow.

    Attributes:
        flow: a `cvae.nn.rectified_flow.RectifiedFlow` of embeddings.
    """

    def __init__(self, flow: Any) -> None:
        from cvae.nn.samplers import SamplerOptions

        self.flow = flow
        # As the embeddings are distributed; guided ones would leave those that the flow of latents knows.
        self.options = SamplerOptions(guidance=1.0, steps=12)

    def __call__(self, noise: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Embeddings float32 (n, d) of length 1; their noise follows from the pictures' noise (n, latent_dim)."""
        embeddings = self.flow.sample(further_noise(noise, self.flow.shape[0]), texts, self.options)
        return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def open_learned_prior(run: Run) -> LearnedEmbeddingPrior:
    """The learned prior of a run, which is learned the first time.

    Raises:
        UserError: the data that it would be learned from are gone, or others.
    """
    # A model that was trained on has the same embeddings.
    return LearnedEmbeddingPrior(load_or_learn(run, "embeddings", lambda: _learn(run)))


def _learn(run: Run) -> Any:
    shards = prior_data(run).paths("train")
    image_rows, text_rows = zip(*(embeddings_of(example) for shard in shards for example in read_shard(shard)))
    ids = np.repeat(np.arange(len(text_rows)), [len(captions) for captions in text_rows])
    images, texts = np.stack(image_rows), np.concatenate(text_rows)
    return learn_flow(lambda rng, rows: (images[ids[rows]], texts[rows]), len(texts), NETWORK)
