"""An autoencoder of images whose latent is a grid of a quarter of their side: the first stage of every flow."""

from typing import Any

import keras
from keras import layers, ops

from cvae.nn import losses
from cvae.nn.layers import Sampling
from cvae.nn.perceptual import PerceptualDistance
from cvae.systems.flow.grid_autoencoder import GridAutoencoder, absolute_error, at_half
from preprocess.utils.types import Tensor

# At a half and at a quarter of the image's side, and how many residual blocks there.
CHANNELS = (96, 160)
ENCODER_BLOCKS, DECODER_BLOCKS = (2, 3), (3, 4)
# Channels are multiples of this, as the hardware's tiles are.
MULTIPLE = 16
PERCEPTUAL_WEIGHT, KL_WEIGHT = 0.3, 1e-3
# Of a batch, in training: a fifth is decoded at half its size, a sixth turned or mirrored (EQ-VAE).
HALVED, TURNED = 5, 6
# Of the running mean and deviation of the latents, a step.
MOMENTUM = 0.999


@keras.saving.register_keras_serializable("cvae")
class Fold(layers.Layer):
    """2 x 2 pixels as channels, so that nothing runs at full size: (n, h, w, c) to (n, h / 2, w / 2, 4 c)."""

    def call(self, x: Tensor) -> Tensor:
        _, height, width, channels = ops.shape(x)
        x = ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height // 2, width // 2, 4 * channels))

    def compute_output_shape(self, shape: Any) -> tuple[Any, ...]:
        sides = (None if side is None else side // 2 for side in shape[1:3])
        return (shape[0], *sides, 4 * shape[3])


@keras.saving.register_keras_serializable("cvae")
class Unfold(layers.Layer):
    """Channels as 2 x 2 pixels, which undoes `Fold`: (n, h, w, 4 c) to (n, 2 h, 2 w, c)."""

    def call(self, x: Tensor) -> Tensor:
        _, height, width, channels = ops.shape(x)
        x = ops.reshape(x, (-1, height, width, 2, 2, channels // 4))
        return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, 2 * height, 2 * width, channels // 4))

    def compute_output_shape(self, shape: Any) -> tuple[Any, ...]:
        sides = (None if side is None else side * 2 for side in shape[1:3])
        return (shape[0], *sides, shape[3] // 4)


@keras.saving.register_keras_serializable("cvae")
class Autoencoder(GridAutoencoder):
    """A convolutional VAE with two 2x downsamplings and 4 latent channels (Rombach et al. 2022, arXiv 2112.10752).

    Trained by plain `fit` on a dataset of (images,). `compute_loss` gives the mean absolute error at four scales, the
    `PerceptualDistance` and a small KL. In training some latents are halved or turned before they are decoded, and must
    give the image halved or turned: latents so become smooth (EQ-VAE, Kouzelis et al. 2025, arXiv 2502.09509). Logs
    "l1", "perceptual" and "kl" (nats a latent number).

    Latents are standardised, channel by channel, by their mean and deviation in training, which are kept as weights.

    Args:
        latent_channels: channels of the latent.
        width: factor on the channels; for small machines.

    Call arguments:
        inputs: images, float32 (n, height, width, 3) in [0, 1], sides multiples of 4.

    Call returns:
        ([(target, picture), ...], mean, log_var): what is compared, pairs shaped alike; the posterior before it is
        standardised, float32 (n, height / 4, width / 4, latent_channels).
    """

    downsampling = 4

    def __init__(self, latent_channels=4, width=1.0, **kwargs):
        super().__init__(**kwargs)
        self.latent_channels = latent_channels
        self.width = width
        self.encoder = self._build_encoder()
        self.sampling = Sampling(dtype="float32")
        self.decoder = self._build_decoder()
        fixed = {"shape": (latent_channels,), "trainable": False, "autocast": False, "dtype": "float32"}
        self.center = self.add_weight(initializer="zeros", name="center", **fixed)
        self.scale = self.add_weight(initializer="ones", name="scale", **fixed)
        self.lots = keras.random.SeedGenerator()
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("l1", "perceptual", "kl")}
        self.built = True

    @property
    def seed_generators(self) -> list[Any]:
        """The sources of its random numbers."""
        return [self.sampling.seed_generator, self.lots]

    def _channels(self):
        return [max(MULTIPLE, round(count * self.width / MULTIPLE) * MULTIPLE) for count in CHANNELS]

    def _build_encoder(self):
        image = keras.Input((None, None, 3), name="image")
        half, quarter = self._channels()
        x = Fold(dtype=self.dtype_policy)(layers.Rescaling(2, -1, dtype=self.dtype_policy)(image))
        x = self._convolution(x, half)
        for _ in range(ENCODER_BLOCKS[0]):
            x = self._residual(x)
        x = self._convolution(x, quarter, 4, strides=2)
        for _ in range(ENCODER_BLOCKS[1]):
            x = self._residual(x)
        x = self._activated(x)
        both = layers.Conv2D(2 * self.latent_channels, 3, padding="same", dtype="float32")(x)
        return keras.Model(image, both, name="encoder")

    def _build_decoder(self):
        z = keras.Input((None, None, self.latent_channels), name="z")
        half, quarter = self._channels()
        x = self._convolution(z, quarter)
        for _ in range(DECODER_BLOCKS[1]):
            x = self._residual(x)
        x = self._convolution(layers.UpSampling2D(dtype=self.dtype_policy)(x), half)
        for _ in range(DECODER_BLOCKS[0]):
            x = self._residual(x)
        x = layers.Conv2D(12, 3, padding="same", dtype="float32")(self._activated(x))
        x = layers.Rescaling(0.5, 0.5, dtype="float32")(Unfold(dtype="float32")(x))
        return keras.Model(z, x, name="decoder")

    def _posterior(self, image, training):
        mean, log_var = ops.split(self.encoder(image, training=training), 2, axis=-1)
        return mean, losses.clip_log_var(log_var)

    def encode(self, image: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Gives the standardised posterior's mean and log-variance, each float32 (n, h / 4, w / 4, channels)."""
        mean, log_var = self._posterior(image, training)
        return (mean - self.center) / self.scale, log_var - 2 * ops.log(self.scale)

    def decode(self, z: Tensor, training: bool = False) -> Tensor:
        """Gives pictures float32 (n, h, w, 3) in [0, 1] for standardised latents (n, h / 4, w / 4, channels)."""
        z = ops.cast(z, "float32") * self.scale + self.center
        return ops.clip(self.decoder(z, training=training), 0.0, 1.0)

    def call(self, inputs: Tensor, training: bool = False) -> tuple[Any, ...]:
        image = ops.cast(inputs, "float32")
        mean, log_var = self._posterior(image, training)
        z = self.sampling(mean, log_var)
        if not training:
            return [(image, self.decoder(z))], mean, log_var
        self._watch(mean)
        count = ops.shape(image)[0]
        halved, turned = _at_least_one(count // HALVED), count // TURNED
        small = at_half(image[:halved]), self.decoder(at_half(z[:halved]), training=True)
        image, z = image[halved:], z[halved:]
        image, z = self._turned(image, z, turned)
        return [small, (image, self.decoder(z, training=True))], mean, log_var

    def _watch(self, mean):
        """Keeps the running mean and deviation of the latents."""
        mean = ops.stop_gradient(mean)
        center = ops.mean(mean, axis=(0, 1, 2))
        scale = ops.sqrt(ops.mean(ops.square(mean - self.center), axis=(0, 1, 2)) + 1e-6)
        for weight, now in ((self.center, center), (self.scale, scale)):
            weight.assign(MOMENTUM * weight + (1 - MOMENTUM) * now)

    def _turned(self, image, z, count):
        """The first `count` images and latents mirrored and turned at random, the same way."""
        turns = (lambda x: ops.flip(x, 1), lambda x: ops.flip(x, 2), lambda x: ops.transpose(x, (0, 2, 1, 3)))
        first, rest = [image[:count], z[:count]], [image[count:], z[count:]]
        for turn in turns:
            chosen = keras.random.uniform((count, 1, 1, 1), dtype="float32", seed=self.lots) < 0.5
            first = [ops.where(chosen, turn(part), part) for part in first]
        return [ops.concatenate(parts) for parts in zip(first, rest)]

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        pairs, mean, log_var = y_pred
        count = ops.shape(x)[0]
        parts = {"l1": 0.0, "perceptual": 0.0}
        for target, picture in pairs:
            share = ops.cast(ops.shape(target)[0] / count, "float32")
            # Of pixels in [-1, 1].
            parts["l1"] += share * 2 * absolute_error(target, picture)
            parts["perceptual"] += share * self._perceptual(target, picture)
        parts["kl"] = ops.mean(losses.kl_divergence(mean, log_var)) / self.latent_channels
        losses.track(self.trackers, parts, count)
        return parts["l1"] + PERCEPTUAL_WEIGHT * parts["perceptual"] + KL_WEIGHT * parts["kl"]

    def _perceptual(self, target, picture):
        # In float32, which costs no more: its depthwise convolutions gain nothing from bfloat16 on a CPU.
        return PerceptualDistance()(target, picture)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"latent_channels": self.latent_channels, "width": self.width}


def _at_least_one(count):
    # JAX slices by Python's own numbers alone.
    return max(count, 1) if isinstance(count, int) else ops.maximum(count, 1)
