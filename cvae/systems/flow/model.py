"""From a prompt to a picture by a flow in an autoencoder's latent space: unCLIP's idea at a coursework's scale."""

from typing import Any

import keras
import numpy as np
from keras import ops

from cvae.nn.rectified_flow import RectifiedFlow
from cvae.nn.samplers import DEFAULT
from cvae.systems.flow.embedding_prior import EmbeddingPrior
from cvae.utils.arrays import further_noise, in_batches
from preprocess.utils.types import Tensor


@keras.saving.register_keras_serializable("cvae")
class LatentFlow(RectifiedFlow):
    """A `RectifiedFlow` on the latents of a `SpatialVAE`, conditioned on CLIP's embedding of the image.

    Latent diffusion (Rombach et al. 2022, arXiv 2112.10752) with the conditioning of unCLIP (Ramesh et al. 2022, arXiv
    2204.06125): a prior leads from a text's embedding to an image's, the flow from there to a latent, and the decoder
    to a picture.

    Trained on ((latent, embedding),) as `RectifiedFlow` is; the autoencoder, which is a part of it and of its file,
    stays as it is.

    Args:
        autoencoder: a trained `SpatialVAE`, which is made untrainable. Others: see `RectifiedFlow`. The length of the
            noise in conditions is best the embedding prior's error, see `EmbeddingPrior.error`: longer noise hides
            what prompts say, with shorter noise pictures follow the prior's mistakes.

    Attributes:
        prior: the `EmbeddingPrior`, named as in files of version 0.1. image_size: pixels. latent_dim: size of a latent.
    """

    def __init__(self, autoencoder, condition_dim, width=256, depth=8, condition_noise=1.0, **kwargs):
        super().__init__(autoencoder.grid, condition_dim, width, depth, condition_noise, **kwargs)
        self.autoencoder = autoencoder
        self.autoencoder.trainable = False
        self.prior = EmbeddingPrior(condition_dim, dtype="float32")
        self.image_size = autoencoder.image_size
        self.latent_dim = int(np.prod(self.shape))

    def encode(self, image: Tensor, embedding: Tensor = None, training: bool = False) -> tuple[Tensor, Tensor]:
        """Gives the latents' mean and log-variance, each float32 (n, *shape), for images in [0, 1]."""
        return self.autoencoder.encode(image)

    def decode(self, z: Tensor, embedding: Tensor = None, training: bool = False) -> Tensor:
        """Gives pictures float32 (n, image_size, image_size, 3) in [0, 1] for latents (n, *shape)."""
        return self.autoencoder.decode(z)

    @property
    def embedding_prior(self) -> EmbeddingPrior:
        """The `EmbeddingPrior`: from texts' embeddings to images'."""
        return self.prior

    def example(self, image: Tensor, embedding: Tensor) -> Any:
        """What `fit` and `evaluate` take of an image and its embedding."""
        return ((ops.convert_to_tensor(self.encode(image)[0]), embedding),)

    def draw(self, noise: Tensor, texts: Tensor, options: Any = DEFAULT, prior: str | None = None) -> np.ndarray:
        """Gives pictures float32 (n, image_size, image_size, 3) in [0, 1].

        Args:
            noise: float32 (n, latent_dim), Gaussian. texts: float32 (n, d), embeddings of prompts.
            options: of the sampler. prior: which embedding prior, see `EmbeddingPrior`; by default its own.
        """
        return self.draw_embeddings(noise, self.guess(noise, texts, prior), options)

    def guess(self, noise: Tensor, texts: Tensor, prior: str | None = None) -> np.ndarray:
        """The embeddings of images that texts lead to, float32 (n, d); noise counts where the prior draws them."""
        further = further_noise(noise, self.condition_dim)
        return np.asarray(self.prior(ops.convert_to_tensor(texts), further, kind=prior))

    def draw_embeddings(self, noise: Tensor, embeddings: Tensor, options: Any = DEFAULT) -> np.ndarray:
        """As `draw`, for embeddings of images."""
        noise = np.reshape(noise, (-1, *self.shape))
        return in_batches(lambda z, own: self.decode(self.sample(z, own, options)), noise, embeddings)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["shape"]
        autoencoder = keras.saving.serialize_keras_object(self.autoencoder)
        # Built as untrainable, it would not hand that on to its layers.
        autoencoder["config"]["trainable"] = True
        return config | {"autoencoder": autoencoder}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config | {"autoencoder": keras.saving.deserialize_keras_object(config["autoencoder"])})
