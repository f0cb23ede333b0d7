"""An autoencoder of photographs whose latent is a grid, small enough for a flow to learn and sharp when decoded."""

from typing import Any

import keras
from keras import layers, ops

from cvae.nn import losses, replicas
from cvae.nn.frozen import call_frozen
from cvae.nn.layers import Sampling
from cvae.systems.flow.grid_autoencoder import GridAutoencoder, absolute_error
from preprocess.utils.types import Tensor

# At a half, a quarter and an eighth of the image's side.
CHANNELS = (64, 128, 256)
CRITIC_CHANNELS = (32, 64, 128)
MIN_CHANNELS = 16
# Weights of the means over latent components and over patches, beside a mean over pixels of 0.05 or so.
KL_WEIGHT, FEATURES_WEIGHT, REALISM_WEIGHT = 1e-3, 1.0, 0.01


@keras.saving.register_keras_serializable("cvae")
class SpatialVAE(GridAutoencoder):
    """A residual convolutional VAE with three 2x downsamplings and 8 latent channels, as latent diffusion models have.

    Rombach et al. 2022, arXiv 2112.10752. Trained by plain `fit` on a dataset of images. A patch critic learns in the
    same step to tell images from reconstructions, by its own hinge loss (Lim and Ye 2017, arXiv 1705.02894).
    `compute_loss` gives the mean absolute error at several scales, that of the critic's features (Larsen et al. 2016,
    arXiv 1512.09300), a small KL and, while `adversarial` is set, the critic's score. Logs "l1", "features", "kl"
    (nats a latent number), "realism" (the score of reconstructions, with a minus) and "critic" (2 before it has learned
    anything).

    Args:
        image_size: pixels, a multiple of 8, of the images that it is made for. It is convolutional: it can be trained
            on squares cut out of them.
        latent_channels: channels of the latent.
        width: factor on the channels; for small machines.

    Call arguments:
        inputs: images, float32 (n, image_size, image_size, 3) in [0, 1].

    Call returns:
        (reconstruction, mean, log_var): float32, shaped as the images and twice (n, image_size / 8, image_size / 8,
        latent_channels).

    Raises:
        ValueError: an image size that is no multiple of 8.
    """

    downsampling = 8

    def __init__(self, image_size, latent_channels=8, width=1.0, **kwargs):
        super().__init__(**kwargs)
        if image_size % self.downsampling:
            raise ValueError(f"image_size is a multiple of {self.downsampling}, not {image_size}")
        self.image_size = image_size
        self.latent_channels = latent_channels
        self.width = width
        fixed = {"trainable": False, "autocast": False, "dtype": "float32"}
        self._adversarial = self.add_weight(shape=(), initializer="zeros", name="adversarial", **fixed)
        self.encoder = self._build_encoder()
        self.sampling = Sampling(dtype="float32")
        self.decoder = self._build_decoder()
        self.critic = self._build_critic()
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("l1", "kl", "features", "realism", "critic")}
        self.built = True

    @property
    def adversarial(self) -> bool:
        """Whether training has it convince its critic; can be changed at any time, and is saved."""
        return bool(self._adversarial.value)

    @adversarial.setter
    def adversarial(self, value: Any) -> None:
        self._adversarial.assign(float(value))

    @property
    def grid(self) -> tuple[int, int, int]:
        """The latent's shape: (image_size / 8, image_size / 8, latent_channels)."""
        return self.grid_of(self.image_size)

    @property
    def seed_generators(self) -> list[Any]:
        """The sources of its random numbers."""
        return [self.sampling.seed_generator]

    def _channels(self, counts):
        return [max(MIN_CHANNELS, int(count * self.width)) for count in counts]

    def _build_encoder(self):
        x = image = keras.Input((None, None, 3), name="image")
        x = layers.Rescaling(2, -1, dtype=self.dtype_policy)(x)
        for channels in self._channels(CHANNELS):
            x = self._residual(self._convolution(x, channels, 4, strides=2))
        x = self._activated(self._residual(x))
        mean, log_var = (layers.Conv2D(self.latent_channels, 1, dtype="float32")(x) for _ in range(2))
        return keras.Model(image, [mean, log_var], name="encoder")

    def _build_decoder(self):
        z = keras.Input((None, None, self.latent_channels), name="z")
        *others, first = self._channels(CHANNELS)
        x = self._convolution(z, first)
        for channels in (*reversed(others), others[0]):
            x = self._residual(self._residual(x))
            x = layers.Conv2DTranspose(channels, 4, strides=2, padding="same", dtype=self.dtype_policy)(x)
        x = self._activated(x)
        x = self._convolution(x, 3)
        return keras.Model(z, layers.Activation("sigmoid", dtype="float32")(x), name="decoder")

    def _build_critic(self):
        x = image = keras.Input((None, None, 3), name="image")
        x = layers.Rescaling(2, -1, dtype=self.dtype_policy)(x)
        features = []
        for channels in self._channels(CRITIC_CHANNELS):
            x = self._convolution(x, channels, 4, strides=2, kernel_initializer="he_normal")
            x = self._activated(x)
            features.append(x)
        score = layers.Conv2D(1, 3, padding="same", dtype="float32")(x)
        return keras.Model(image, [score, *features], name="critic")

    def encode(self, image: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Gives the posterior's mean and log-variance, each float32 (n, *grid)."""
        mean, log_var = self.encoder(image, training=training)
        return mean, losses.clip_log_var(log_var)

    def decode(self, z: Tensor, training: bool = False) -> Tensor:
        """Gives pictures float32 (n, image_size, image_size, 3) in [0, 1] for latents (n, *grid)."""
        return self.decoder(z, training=training)

    def call(self, inputs: Tensor, training: bool = False) -> tuple[Tensor, ...]:
        mean, log_var = self.encode(inputs, training=training)
        return self.decode(self.sampling(mean, log_var), training=training), mean, log_var

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        reconstruction, mean, log_var = y_pred
        kl = ops.mean(losses.kl_divergence(mean, log_var)) / self.latent_channels
        parts = {"l1": absolute_error(x, reconstruction), "kl": kl, **self._criticise(x, reconstruction)}
        losses.track(self.trackers, parts, ops.shape(x)[0])
        weights = {"l1": 1.0, "kl": KL_WEIGHT, "features": FEATURES_WEIGHT, "critic": 1.0}
        weights["realism"] = REALISM_WEIGHT * self._adversarial
        return replicas.share_loss(sum(weights[name] * value for name, value in parts.items()))

    def _criticise(self, image, reconstruction):
        both = self.critic(ops.concatenate([image, ops.stop_gradient(reconstruction)]))
        (real, drawn), *features = (ops.split(output, 2) for output in both)
        score, *own = call_frozen(self.critic, reconstruction)
        return {
            "features": sum(
                _relative_error(ops.stop_gradient(wanted), seen) for (wanted, _), seen in zip(features, own)
            ),
            "realism": -ops.mean(score),
            "critic": ops.mean(ops.relu(1 - real)) + ops.mean(ops.relu(1 + drawn)),
        }

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "image_size": self.image_size,
            "latent_channels": self.latent_channels,
            "width": self.width,
        }


def _relative_error(wanted, seen):
    """The mean absolute error of features, as a part of their mean size: however large a critic makes them."""
    wanted, seen = ops.cast(wanted, "float32"), ops.cast(seen, "float32")
    return ops.mean(ops.abs(wanted - seen)) / (ops.mean(ops.abs(wanted)) + 1e-6)


class CriticInSecondHalf(keras.callbacks.Callback):
    """Has a `SpatialVAE` convince its critic in the second half of its epochs."""

    def __init__(self, epochs):
        super().__init__()
        self.first = epochs // 2

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Once it has begun it stays, however many epochs a resumed training is to have.
        self.model.adversarial = self.model.adversarial or epoch >= self.first
