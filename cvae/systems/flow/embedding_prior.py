"""From a text's embedding to that of an image it could describe: CLIP keeps the two in regions of their own."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from preprocess.utils.types import Tensor

KINDS = ("none", "mean", "ridge", "gaussian")
# Of the regression, as a share of the texts' mean squared deviation.
RIDGE = 0.1
# The noise of "gaussian" is this many times as long as the regression's error. Pictures follow only a part of how
# embeddings differ: on photographs 1 gave a diversity of .50 and an R-precision of .043, this .56 and .030.
VARIETY = 1.7
# Pairs that are summed at a time.
PART = 50_000


@keras.saving.register_keras_serializable("cvae")
class EmbeddingPrior(layers.Layer):
    """Moves texts' embeddings to where images' lie: the prior of unCLIP (Ramesh et al. 2022, arXiv 2204.06125), linear.

    Images' embeddings and texts' lie apart (Liang et al. 2022, arXiv 2203.02053). "mean" moves texts by the difference
    of the means; "ridge" by a ridge regression; "gaussian" adds to that what the regression misses, drawn from a
    Gaussian 1.7 times as wide as that, so that one text leads to many images; "none" leaves them.

    Args:
        embedding_dim: d.
        kind: which of these it is if a call names none.

    Call arguments:
        texts: float32 (n, d), rows of length 1.
        noise: float32 (n, d), Gaussian; for "gaussian" alone.
        kind: one of these, in place of its own.

    Call returns:
        float32 (n, d), rows of length 1.

    Raises:
        ValueError: another kind.
    """

    def __init__(self, embedding_dim, kind="ridge", **kwargs):
        # In float32 whatever the policy: the weights would be rounded beside the texts.
        super().__init__(**{"trainable": False} | kwargs, autocast=False)
        self.embedding_dim = embedding_dim
        self.kind = kind
        options = {"dtype": "float32", "autocast": False}
        square = embedding_dim, embedding_dim
        self.text_mean = self.add_weight(shape=(embedding_dim,), initializer="zeros", name="text_mean", **options)
        self.image_mean = self.add_weight(shape=(embedding_dim,), initializer="zeros", name="image_mean", **options)
        self.kernel = self.add_weight(shape=square, initializer="identity", name="kernel", **options)
        self.spread = self.add_weight(shape=square, initializer="zeros", name="spread", **options)
        self.built = True

    def fit(self, texts: Tensor, images: np.ndarray, ids: np.ndarray) -> None:
        """Learns from pairs of a text's embedding and its image's.

        Args:
            texts: float32 (m, d). images: float32 (n, d), both of length 1. ids: int (m,), the image that each text
                describes.
        """
        size = self.embedding_dim
        mean, covariance = np.zeros(2 * size), np.zeros((2 * size, 2 * size))
        # In parts, since in float64 the pairs of all of COCO would take 5 GB.
        for start in range(0, len(texts), PART):
            part = slice(start, start + PART)
            pairs = np.concatenate([texts[part], images[ids[part]]], axis=1, dtype=np.float64)
            mean += pairs.sum(0) / len(texts)
            covariance += pairs.T @ pairs / len(texts)
        covariance -= np.outer(mean, mean)
        text, cross, image = covariance[:size, :size], covariance[:size, size:], covariance[size:, size:]
        # The last term for texts that are all alike.
        ridge = RIDGE * np.trace(text) / size + 1e-12
        kernel = np.linalg.solve(text + ridge * np.eye(size), cross)
        missed = image - kernel.T @ cross - cross.T @ kernel + kernel.T @ text @ kernel
        # Images have length 1, so that the regression's guess has about sqrt(1 - trace); `call` stretches it to 1, and
        # the noise is stretched as much, ten times at most.
        further = VARIETY / np.sqrt(np.maximum(1 - np.trace(missed), 0.01))
        variances, directions = np.linalg.eigh(missed)
        self.text_mean.assign(mean[:size])
        self.image_mean.assign(mean[size:])
        self.kernel.assign(kernel)
        self.spread.assign(further * (directions * np.sqrt(np.maximum(variances, 0))).T)

    def error(self, texts: Tensor, images: np.ndarray, ids: np.ndarray) -> float:
        """How far off images' embeddings it is: the length of noise at right angles that would take them as far.

        Args: see `fit`.
        """
        chosen = slice(None, None, -(-len(texts) // PART))
        guessed = np.asarray(self(texts[chosen]))
        cosine = float(np.mean(np.sum(guessed * images[ids[chosen]], axis=1)))
        return float((1 / np.clip(cosine, 0.1, 1) ** 2 - 1) ** 0.5)

    def call(self, texts: Tensor, noise: Tensor = None, kind: str | None = None) -> Tensor:
        kind = kind or self.kind
        if kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind}")
        texts = ops.cast(texts, "float32")
        if kind == "none":
            return texts
        moved = texts - self.text_mean
        if kind != "mean":
            moved = ops.matmul(moved, self.kernel)
        guessed = ops.normalize(moved + self.image_mean, axis=-1)
        if kind != "gaussian":
            return guessed
        return ops.normalize(guessed + ops.matmul(ops.cast(noise, "float32"), self.spread), axis=-1)

    def direction(self, texts: Tensor) -> Tensor:
        """Which way texts differ from the usual one, among images' embeddings: float32 (n, d), rows of length 1."""
        return ops.normalize(ops.matmul(ops.cast(texts, "float32") - self.text_mean, self.kernel), axis=-1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"embedding_dim": self.embedding_dim, "kind": self.kind}
