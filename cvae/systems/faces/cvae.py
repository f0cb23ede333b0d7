"""A CVAE of portraits conditioned on their attributes, a sentence's embedding, or both."""

import types
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from cvae.nn import losses, replicas
from cvae.nn.layers import Sampling
from cvae.systems.faces.networks import build_decoder, build_encoder
from preprocess.utils.types import Tensor

# Of one portrait's weight, so that the prior is defined for attributes that nobody has.
RIDGE = 1.0


@keras.saving.register_keras_serializable("cvae")
class AttributeCVAE(keras.Model):
    """A conditional VAE (Sohn et al. 2015) on 64 px portraits, inputs and outputs in [0, 1] as everywhere here.

    Trained by plain `fit` on a dataset of ((image, condition),); `compute_loss` gives BCE + KL, summed over pixels or
    latent dimensions and averaged over the batch. After training, `fit_prior` has `draw` ask for latents that belong to
    the condition.

    Args:
        condition_dim: numbers of a condition: 40 attributes of 0 or 1, an embedding, or the one and then the other.
        latent_dim: numbers in the latent z.
        width: factor on the channels; for small machines.

    Call arguments:
        inputs: (image, condition): float32 (n, 64, 64, 3) in [0, 1] and (n, condition_dim).

    Call returns:
        (reconstruction, mean, log_var): float32, shaped as the image and twice (n, latent_dim).
    """

    # Of the parts of the loss, each of which is logged.
    part_weights = types.MappingProxyType({"bce": 1.0, "kl": 1.0, "ssim": 0.0})

    def __init__(self, condition_dim, latent_dim=128, width=1.0, **kwargs):
        super().__init__(**kwargs)
        self.condition_dim = condition_dim
        self.latent_dim = latent_dim
        self.width = width
        shape = condition_dim, latent_dim, width, self.dtype_policy
        self.encoder = build_encoder(*shape)
        self.sampling = Sampling(dtype="float32")
        self.decoder = build_decoder(*shape)
        self.prior = layers.Dense(latent_dim, kernel_initializer="zeros", trainable=False, dtype="float32")
        self.prior.build((None, condition_dim))
        self.trackers = {name: keras.metrics.Mean(name=name) for name in self.part_weights}
        self.built = True

    @property
    def seed_generators(self) -> list[Any]:
        """The sources of its random numbers."""
        return [self.sampling.seed_generator]

    def encode(self, image: Tensor, condition: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Gives the posterior's mean and log-variance, each float32 (n, latent_dim)."""
        inputs = [ops.convert_to_tensor(image), ops.convert_to_tensor(condition)]
        mean, log_var = self.encoder(inputs, training=training)
        return mean, losses.clip_log_var(log_var)

    def reparameterize(self, mean: Tensor, log_var: Tensor) -> Tensor:
        """Draws z, float32 (n, latent_dim), from the posterior."""
        return self.sampling(mean, log_var)

    def decode(self, z: Tensor, condition: Tensor, training: bool = False) -> Tensor:
        """Gives pictures float32 (n, 64, 64, 3) in [0, 1] for z (n, latent_dim) and conditions (n, condition_dim)."""
        return self.decoder([ops.convert_to_tensor(z), ops.convert_to_tensor(condition)], training=training)

    def draw(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Gives pictures float32 (n, 64, 64, 3) in [0, 1] for Gaussian noise (n, latent_dim) and conditions."""
        condition = ops.convert_to_tensor(condition)
        return self.decode(ops.convert_to_tensor(noise) + self.prior(condition), condition)

    def fit_prior(self, batches: Iterable[Any]) -> None:
        """Learns the mean of the latents that go with a condition, by ridge regression; for a trained model.

        In training the latents of the bald, say, come to lie off the middle, since the few that there are hardly
        count in the divergence from the prior. Noise around the middle would then be decoded with a condition that it
        never went with: such a prior after the fact (Ghosh et al. 2020, arXiv 1903.12436) closes most of that gap.

        Args:
            batches: yields (image, condition) of the training data.
        """
        gram = RIDGE * np.eye(self.condition_dim + 1)
        product = np.zeros((self.condition_dim + 1, self.latent_dim))
        for image, condition in batches:
            rows = np.pad(np.asarray(condition, np.float64), ((0, 0), (0, 1)), constant_values=1)
            gram += rows.T @ rows
            product += rows.T @ np.asarray(self.encode(image, condition)[0], np.float64)
        *kernel, bias = np.linalg.solve(gram, product)
        self.prior.set_weights([np.array(kernel), bias])

    @property
    def has_prior(self) -> bool:
        """Whether `fit_prior` has been called."""
        return bool(np.any(self.prior.get_weights()[0]))

    def call(self, inputs: Tensor, training: bool = False) -> tuple[Tensor, ...]:
        image, condition = inputs
        mean, log_var = self.encode(image, condition, training=training)
        return self.decode(self.reparameterize(mean, log_var), condition, training=training), mean, log_var

    def loss_parts(self, x: Tensor, y_pred: Tensor, training: bool) -> dict[str, Tensor]:
        """What the loss is the sum of, weighted by `part_weights`: {name: scalar}."""
        parts = losses.vae_parts(x[0], *y_pred)
        # Logged only: its gradients, though weighted by 0, would cost as much as the rest of the loss.
        return parts | {"ssim": ops.stop_gradient(parts["ssim"])}

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        parts = self.loss_parts(x, y_pred, training)
        losses.track(self.trackers, parts, ops.shape(x[0])[0])
        return replicas.share_loss(sum(self.part_weights[name] * value for name, value in parts.items()))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "condition_dim": self.condition_dim,
            "latent_dim": self.latent_dim,
            "width": self.width,
        }
