"""From a text's embedding to that of an image it could describe: CLIP keeps the two in regions of their own."""

import keras
import numpy as np
from keras import layers, ops

# Of the regression, as a share of the texts' mean squared deviation.
RIDGE = 0.1
# Pairs that are summed at a time.
PART = 50_000


@keras.saving.register_keras_serializable("cvae")
class EmbeddingPrior(layers.Layer):
    """Moves texts' embeddings to where images' lie: the prior of unCLIP, as a linear map (Ramesh et al. 2022).

    Args:
        embedding_dim: d.
        kind: "none" gives the texts' own, "mean" moves them by the difference of the means, "ridge" by a ridge
            regression; can be changed at any time.

    Call arguments:
        texts: float32 (n, d), rows of length 1.

    Call returns:
        float32 (n, d), rows of length 1.
    """

    def __init__(self, embedding_dim, kind="ridge", **kwargs):
        super().__init__(trainable=False, **kwargs)
        self.embedding_dim = embedding_dim
        self.kind = kind
        self.text_mean = self.add_weight(shape=(embedding_dim,), initializer="zeros", name="text_mean")
        self.image_mean = self.add_weight(shape=(embedding_dim,), initializer="zeros", name="image_mean")
        self.kernel = self.add_weight(shape=(embedding_dim, embedding_dim), initializer="identity", name="kernel")
        self.built = True

    def fit(self, texts, images, ids):
        """Learns from pairs of a text's embedding and its image's.

        Args:
            texts: float32 (m, d). images: float32 (n, d). ids: int (m,), the image that each text describes.
        """
        sums = np.zeros((2, self.embedding_dim))
        gram, cross = np.zeros((2, self.embedding_dim, self.embedding_dim))
        # In parts, since in float64 the pairs of all of COCO would take 5 GB.
        for start in range(0, len(texts), PART):
            part = slice(start, start + PART)
            text, image = texts[part].astype(np.float64), images[ids[part]].astype(np.float64)
            sums += text.sum(0), image.sum(0)
            gram += text.T @ text
            cross += text.T @ image
        text_mean, image_mean = sums / len(texts)
        gram -= len(texts) * np.outer(text_mean, text_mean)
        cross -= len(texts) * np.outer(text_mean, image_mean)
        gram += RIDGE * np.trace(gram) / self.embedding_dim * np.eye(self.embedding_dim)
        self.text_mean.assign(text_mean)
        self.image_mean.assign(image_mean)
        self.kernel.assign(np.linalg.solve(gram, cross))

    def error(self, texts, images, ids):
        """How far off images' embeddings it is: the length of noise at right angles that would take them as far.

        Args: see `fit`.
        """
        chosen = slice(None, None, -(-len(texts) // PART))
        guessed = np.asarray(self(texts[chosen]))
        cosine = float(np.mean(np.sum(guessed * images[ids[chosen]], axis=1)))
        return float((1 / np.clip(cosine, 0.1, 1) ** 2 - 1) ** 0.5)

    def call(self, texts):
        texts = ops.cast(texts, "float32")
        if self.kind not in ("none", "mean", "ridge"):
            raise ValueError(f"kind is none, mean or ridge, not {self.kind}")
        if self.kind == "none":
            return texts
        moved = texts - self.text_mean
        if self.kind == "ridge":
            moved = ops.matmul(moved, self.kernel)
        return ops.normalize(moved + self.image_mean, axis=-1)

    def get_config(self):
        return super().get_config() | {"embedding_dim": self.embedding_dim, "kind": self.kind}
