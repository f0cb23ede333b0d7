"""The coursework's CVAE: an autoencoder of photographs, conditioned on what CLIP sees in them or reads in captions."""

from typing import Any

import keras
from keras import layers, ops

from cvae.nn import losses, replicas
from cvae.nn.layers import BatchNormalization, Dropout, Sampling
from preprocess.utils.types import Tensor

# The spatial size and channels that the decoder begins with.
BASE_SIZE, BASE_CHANNELS = 8, 256
# Narrower is slower: with 8 channels, batch normalisation alone takes half of a step on a CPU.
MIN_CHANNELS = 16
KL_WEIGHT, SSIM_WEIGHT = 0.5, 0.1
# Of the encoder's first two dense layers, by layout. Everywhere else Keras' own 0.3.
DENSE_SLOPES = {1: 0.3, 2: 0.2}


def _tensors(*arrays):
    """Arrays and tensors as tensors: Keras takes no mixture of both."""
    return [ops.convert_to_tensor(array) for array in arrays]


@keras.saving.register_keras_serializable("cvae")
class ClipCVAE(keras.Model):
    """A conditional VAE (Sohn et al. 2015) on 64 or 128 px images and CLIP embeddings.

    Trained by plain `fit` on a dataset of ((image, embedding),); `compute_loss` gives
    BCE + 0.5 KL + 0.1 (1 - SSIM), and logs bce, kl and ssim beside it. BCE is summed over pixels and KL over latent
    dimensions, and both are means over the batch. SSIM is the mean over the batch's images, one number from -1 to 1: at
    0.1 it weighs little beside thousands of nats, as in the coursework.

    Args:
        image_size: 64 or 128 pixels.
        latent_dim: numbers in the latent z.
        dropout: rate of the dropout on z, in training only.
        embedding_dim: d of the embeddings.
        width: factor on the channels and hidden units, 1.0 being the coursework's; for small machines.
        layout: of the encoder's dense layers: 2 is the coursework's; 1 is that of models saved before there was such an
            argument, with a slope of 0.3 in place of 0.2 and the normalisation after the last activation.

    Call arguments:
        inputs: (image, embedding): float32 (n, image_size, image_size, 3) in [0, 1] and (n, embedding_dim).

    Call returns:
        (reconstruction, mean, log_var): float32, shaped as the image and twice (n, latent_dim).

    Raises:
        ValueError: an image size other than 64 and 128, or a layout other than 1 and 2.

    Example:
        >>> model = ClipCVAE(64)
        >>> model.draw(keras.random.normal((2, 128)), embeddings).shape
        (2, 64, 64, 3)
    """

    def __init__(self, image_size, latent_dim=128, dropout=0.3, embedding_dim=512, width=1.0, layout=2, **kwargs):
        super().__init__(**kwargs)
        if image_size not in (64, 128):
            raise ValueError(f"image_size is 64 or 128, not {image_size}")
        if layout not in (1, 2):
            raise ValueError(f"layout is 1 or 2, not {layout}")
        self.image_size = image_size
        self.latent_dim = latent_dim
        self.dropout = dropout
        self.embedding_dim = embedding_dim
        self.width = width
        self.layout = layout

        self.encoder = self._build_encoder()
        self.sampling = Sampling(dtype="float32")
        self.latent_dropout = Dropout(dropout, dtype="float32")
        self.decoder = self._build_decoder()
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("bce", "kl", "ssim")}
        self.built = True

    def _scaled(self, units):
        return max(MIN_CHANNELS, int(units * self.width))

    def _convolution(self, x, kind, channels, kernel, stride):
        x = kind(
            self._scaled(channels),
            kernel,
            strides=stride,
            padding="same",
            kernel_initializer="he_normal",
            dtype=self.dtype_policy,
        )(x)
        x = BatchNormalization(dtype=self.dtype_policy)(x)
        return layers.LeakyReLU(dtype=self.dtype_policy)(x)

    def _dense(self, x, units, dtype=None):
        return layers.Dense(units, kernel_initializer="he_normal", dtype=dtype or self.dtype_policy)(x)

    def _build_encoder(self):
        policy = self.dtype_policy
        image = keras.Input((self.image_size, self.image_size, 3), name="image")
        embedding = keras.Input((self.embedding_dim,), name="embedding")
        x = image
        for channels, kernel in ((256, 3), (256, 5), (128, 3), (128, 3)):
            x = self._convolution(x, layers.Conv2D, channels, kernel, stride=2)
        x = layers.Flatten(dtype=policy)(x)
        x = layers.Concatenate(dtype=policy)([x, embedding])
        for units in (2048, 2048):
            x = layers.LeakyReLU(DENSE_SLOPES[self.layout], dtype=policy)(self._dense(x, self._scaled(units)))
        x = self._dense(x, self._scaled(1024))
        last = layers.LeakyReLU(dtype=policy), BatchNormalization(dtype=policy)
        for layer in last if self.layout == 1 else reversed(last):
            x = layer(x)
        mean = self._dense(x, self.latent_dim, dtype="float32")
        log_var = self._dense(x, self.latent_dim, dtype="float32")
        return keras.Model([image, embedding], [mean, log_var], name="encoder")

    def _build_decoder(self):
        policy = self.dtype_policy
        z = keras.Input((self.latent_dim,), name="z")
        embedding = keras.Input((self.embedding_dim,), name="embedding")
        condition = self._dense(embedding, 32)
        x = layers.Concatenate(dtype=policy)([z, condition])
        channels = self._scaled(BASE_CHANNELS)
        x = self._dense(x, BASE_SIZE * BASE_SIZE * channels)
        x = layers.LeakyReLU(dtype=policy)(BatchNormalization(dtype=policy)(x))
        x = layers.Reshape((BASE_SIZE, BASE_SIZE, channels), dtype=policy)(x)
        last_stride = self.image_size // 64
        for channels, kernel, stride in ((256, 3, 2), (256, 5, 2), (128, 5, 2), (128, 3, 1), (32, 5, last_stride)):
            x = self._convolution(x, layers.Conv2DTranspose, channels, kernel, stride)
        x = layers.Conv2D(3, 5, padding="same", kernel_initializer="he_normal", dtype=policy)(x)
        image = layers.Activation("sigmoid", dtype="float32")(x)
        return keras.Model([z, embedding], image, name="decoder")

    @property
    def seed_generators(self) -> list[Any]:
        """The sources of its random numbers: of z, and of the dropout on it."""
        return [self.sampling.seed_generator] + ([self.latent_dropout.seed_generator] if self.dropout else [])

    def encode(self, image: Tensor, embedding: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Gives the posterior's mean and log-variance, each float32 (n, latent_dim)."""
        mean, log_var = self.encoder(_tensors(image, embedding), training=training)
        return mean, losses.clip_log_var(log_var)

    def reparameterize(self, mean: Tensor, log_var: Tensor) -> Tensor:
        """Draws z, float32 (n, latent_dim), from the posterior."""
        return self.sampling(mean, log_var)

    def decode(self, z: Tensor, embedding: Tensor, training: bool = False) -> Tensor:
        """Gives pictures float32 (n, image_size, image_size, 3) in [0, 1] for z (n, latent_dim) and embeddings."""
        return self.decoder(_tensors(z, embedding), training=training)

    def draw(self, noise: Tensor, embedding: Tensor) -> Tensor:
        """Gives pictures, as `decode`, for Gaussian noise (n, latent_dim) and embeddings (n, embedding_dim)."""
        return self.decode(noise, embedding)

    def example(self, image: Tensor, embedding: Tensor) -> Any:
        """What `fit` and `evaluate` take of an image and its embedding."""
        return ((image, embedding),)

    def call(self, inputs: Tensor, training: bool = False) -> tuple[Tensor, ...]:
        image, embedding = inputs
        mean, log_var = self.encode(image, embedding, training=training)
        z = self.latent_dropout(self.reparameterize(mean, log_var), training=training)
        return self.decode(z, embedding, training=training), mean, log_var

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        image, _ = x
        parts = losses.vae_parts(image, *y_pred)
        losses.track(self.trackers, parts, ops.shape(image)[0])
        return replicas.share_loss(parts["bce"] + KL_WEIGHT * parts["kl"] + SSIM_WEIGHT * (1 - parts["ssim"]))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "image_size": self.image_size,
            "latent_dim": self.latent_dim,
            "dropout": self.dropout,
            "embedding_dim": self.embedding_dim,
            "width": self.width,
            "layout": self.layout,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return super().from_config({"layout": 1} | config)
