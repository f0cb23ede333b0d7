"""A CVAE of portraits, told their attributes, a sentence's embedding, or both."""

import keras
from keras import layers, ops

from cvae import losses
from cvae.layers import BatchNormalization, Sampling

IMAGE_SIZE = 64
CHANNELS = (64, 128, 256, 512)
KERNEL = 4


@keras.saving.register_keras_serializable("cvae")
class AttributeCVAE(keras.Model):
    """A conditional VAE (Sohn et al. 2015) on 64 px portraits, inputs and outputs in [0, 1] as everywhere here.

    Trained by plain `fit` on a dataset of ((image, condition),); `compute_loss` gives BCE + KL, summed over pixels or
    latent dimensions and averaged over the batch.

    Args:
        condition_dim: numbers of a condition: 40 attributes of 0 or 1, an embedding, or the one and then the other.
        latent_dim: numbers in the latent z.
        width: factor on the channels; for small machines.

    Call arguments:
        inputs: (image, condition): float32 (n, 64, 64, 3) in [0, 1] and (n, condition_dim).

    Call returns:
        (reconstruction, mean, log_var): float32, shaped as the image and twice (n, latent_dim).
    """

    def __init__(self, condition_dim, latent_dim=128, width=1.0, **kwargs):
        super().__init__(**kwargs)
        self.condition_dim = condition_dim
        self.latent_dim = latent_dim
        self.width = width
        self.channels = [max(16, round(channels * width)) for channels in CHANNELS]
        self.encoder = self._build_encoder()
        self.sampling = Sampling(dtype="float32")
        self.decoder = self._build_decoder()
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("bce", "kl", "ssim")}
        self.built = True

    def _convolution(self, x, kind, channels):
        policy = self.dtype_policy
        x = kind(channels, KERNEL, 2, padding="same", use_bias=False, dtype=policy)(x)
        return layers.LeakyReLU(0.2, dtype=policy)(BatchNormalization(dtype=policy)(x))

    def _build_encoder(self):
        policy = self.dtype_policy
        image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
        condition = keras.Input((self.condition_dim,), name="condition")
        x = image
        for channels in self.channels:
            x = self._convolution(x, layers.Conv2D, channels)
        x = layers.Concatenate(dtype=policy)([layers.Flatten(dtype=policy)(x), condition])
        x = layers.LeakyReLU(0.2, dtype=policy)(layers.Dense(self.channels[-1], dtype=policy)(x))
        mean, log_var = (layers.Dense(self.latent_dim, dtype="float32")(x) for _ in range(2))
        return keras.Model([image, condition], [mean, log_var], name="encoder")

    def _build_decoder(self):
        policy = self.dtype_policy
        z = keras.Input((self.latent_dim,), name="z")
        condition = keras.Input((self.condition_dim,), name="condition")
        side, (*others, most) = IMAGE_SIZE // 2 ** len(self.channels), self.channels
        x = layers.Concatenate(dtype=policy)([z, condition])
        x = layers.Dense(side * side * most, use_bias=False, dtype=policy)(x)
        x = layers.LeakyReLU(0.2, dtype=policy)(BatchNormalization(dtype=policy)(x))
        x = layers.Reshape((side, side, most), dtype=policy)(x)
        for channels in reversed(others):
            x = self._convolution(x, layers.Conv2DTranspose, channels)
        x = layers.Conv2DTranspose(3, KERNEL, 2, padding="same", dtype=policy)(x)
        return keras.Model([z, condition], layers.Activation("sigmoid", dtype="float32")(x), name="decoder")

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

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        image, _ = x
        parts = losses.vae_parts(image, *y_pred)
        losses.track(self.trackers, parts, ops.shape(image)[0])
        return parts["bce"] + parts["kl"]

    def get_config(self):
        return super().get_config() | {
            "condition_dim": self.condition_dim,
            "latent_dim": self.latent_dim,
            "width": self.width,
        }
