"""A CVAE of portraits, told their attributes, a sentence's embedding, or both."""

import types

import keras
from keras import ops

from cvae import losses
from cvae.guesser import Guesser
from cvae.layers import Sampling
from cvae.portrait_networks import build_decoder, build_encoder


@keras.saving.register_keras_serializable("cvae")
class AttributeCVAE(keras.Model):
    """A conditional VAE (Sohn et al. 2015) on 64 px portraits, inputs and outputs in [0, 1] as everywhere here.

    Trained by plain `fit` on a dataset of ((image, condition),); `compute_loss` gives BCE + KL, summed over pixels or
    latent dimensions and averaged over the batch, and in training what a `cvae.guesser.Guesser` says.

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
    part_weights = types.MappingProxyType({"bce": 1.0, "kl": 1.0, "ssim": 0.0, "betrayal": 200.0, "guess": 1.0})

    def __init__(self, condition_dim, latent_dim=128, width=1.0, **kwargs):
        super().__init__(**kwargs)
        self.condition_dim = condition_dim
        self.latent_dim = latent_dim
        self.width = width
        shape = condition_dim, latent_dim, width, self.dtype_policy
        self.encoder = build_encoder(*shape)
        self.sampling = Sampling(dtype="float32")
        self.decoder = build_decoder(*shape)
        self.guesser = Guesser(latent_dim, condition_dim)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in self.part_weights}
        self.built = True

    @property
    def seed_generators(self):
        """The sources of its random numbers."""
        return [self.sampling.seed_generator]

    def encode(self, image, condition, training=False):
        """Gives the posterior's mean and log-variance, each float32 (n, latent_dim)."""
        inputs = [ops.convert_to_tensor(image), ops.convert_to_tensor(condition)]
        mean, log_var = self.encoder(inputs, training=training)
        return mean, losses.clip_log_var(log_var)

    def reparameterize(self, mean, log_var):
        """Draws z, float32 (n, latent_dim), from the posterior."""
        return self.sampling(mean, log_var)

    def decode(self, z, condition, training=False):
        """Gives pictures float32 (n, 64, 64, 3) in [0, 1] for z (n, latent_dim) and conditions (n, condition_dim)."""
        return self.decoder([ops.convert_to_tensor(z), ops.convert_to_tensor(condition)], training=training)

    def call(self, inputs, training=False):
        image, condition = inputs
        mean, log_var = self.encode(image, condition, training=training)
        return self.decode(self.reparameterize(mean, log_var), condition, training=training), mean, log_var

    def loss_parts(self, x, y_pred, training):
        """What the loss is the sum of, weighted by `weights`: {name: scalar}."""
        image, condition = x
        _, mean, _ = y_pred
        parts = losses.vae_parts(image, *y_pred)
        parts["betrayal"] = self.guesser.betray(mean, condition)
        parts["guess"] = self.guesser.guess(mean, condition)
        return parts

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        parts = self.loss_parts(x, y_pred, training)
        losses.track(self.trackers, parts, ops.shape(x[0])[0])
        # Networks that learn are no measure of epochs: validation goes without them.
        names = parts if training else ("bce", "kl")
        return sum(self.part_weights[name] * parts[name] for name in names)

    def get_config(self):
        return super().get_config() | {
            "condition_dim": self.condition_dim,
            "latent_dim": self.latent_dim,
            "width": self.width,
        }
