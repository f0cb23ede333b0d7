"""From a prompt to a picture by a flow in an autoencoder's latent space: unCLIP's idea at a coursework's scale."""

import keras
import numpy as np
from keras import ops

from cvae.batches import in_batches
from cvae.embedding_prior import EmbeddingPrior
from cvae.noise import further_noise
from cvae.rectified_flow import RectifiedFlow


@keras.saving.register_keras_serializable("cvae")
class LatentFlow(RectifiedFlow):
    """A `RectifiedFlow` on the latents of a `cvae.spatial_vae.SpatialVAE`, told CLIP's embedding of the image.

    Latent diffusion (Rombach et al. 2022, arXiv 2112.10752) with the conditioning of unCLIP (Ramesh et al. 2022, arXiv
    2204.06125): a prior leads from a text's embedding to an image's, the flow from there to a latent, and the decoder
    to a picture.

    Trained on ((latent, embedding),) as `RectifiedFlow` is; the autoencoder, which is a part of it and of its file,
    stays as it is.

    Args:
        autoencoder: a trained `SpatialVAE`, which is made untrainable. Others: see `RectifiedFlow`. The noise in
            conditions is best as long as the prior is wrong, see `EmbeddingPrior.error`: longer hides what prompts
            say, shorter has it mistrusted.

    Attributes:
        prior: an `EmbeddingPrior`; which kind draws is not saved. image_size: pixels. latent_dim: numbers a latent.
    """

    def __init__(self, autoencoder, condition_dim, width=256, depth=8, condition_noise=1.0, **kwargs):
        super().__init__(autoencoder.grid, condition_dim, width, depth, condition_noise, **kwargs)
        self.autoencoder = autoencoder
        self.autoencoder.trainable = False
        self.prior = EmbeddingPrior(condition_dim, dtype="float32")
        self.image_size = autoencoder.image_size
        self.latent_dim = int(np.prod(self.shape))

    def encode(self, image, embedding=None, training=False):
        """Gives the latents' mean and log-variance, each float32 (n, *shape), for images in [0, 1]."""
        return self.autoencoder.encode(image)

    def decode(self, z, embedding=None, training=False):
        """Gives pictures float32 (n, image_size, image_size, 3) in [0, 1] for latents (n, *shape)."""
        return self.autoencoder.decode(z)

    def draw(self, noise, texts):
        """Gives pictures float32 (n, image_size, image_size, 3) in [0, 1].

        Args:
            noise: float32 (n, latent_dim), Gaussian. texts: float32 (n, d), embeddings of prompts.
        """
        return self.draw_embeddings(noise, self.guess(noise, texts))

    def guess(self, noise, texts):
        """The embeddings of images that texts lead to, float32 (n, d); noise counts where the prior draws them."""
        return np.asarray(self.prior(ops.convert_to_tensor(texts), further_noise(noise, self.condition_dim)))

    def draw_embeddings(self, noise, embeddings):
        """As `draw`, for embeddings of images."""
        noise = np.reshape(noise, (-1, *self.shape))
        return in_batches(lambda *rows: self.decode(self.sample(*rows)), noise, embeddings)

    def get_config(self):
        config = super().get_config()
        del config["shape"]
        autoencoder = keras.saving.serialize_keras_object(self.autoencoder)
        # Built as untrainable, it would not hand that on to its layers.
        autoencoder["config"]["trainable"] = True
        return config | {"autoencoder": autoencoder}

    @classmethod
    def from_config(cls, config):
        return cls(**config | {"autoencoder": keras.saving.deserialize_keras_object(config["autoencoder"])})
