"""The networks that the models of portraits are made of: an encoder, a decoder and a critic of 64 px pictures."""

from typing import Any

import keras
from keras import layers

from cvae.nn.layers import BatchNormalization

IMAGE_SIZE = 64
CHANNELS = (64, 128, 256, 512)
KERNEL = 4


def scaled_channels(width: float) -> list[int]:
    """The channels of the four convolutions, `width` times as many as in full; below 16 they would only be slower."""
    return [max(16, round(channels * width)) for channels in CHANNELS]


def _activated(x, policy, normalize=True):
    if normalize:
        x = BatchNormalization(dtype=policy)(x)
    return layers.LeakyReLU(0.2, dtype=policy)(x)


def _convolutions(x, channels, policy, normalize):
    """Halves the sides once for each of `channels`, and flattens."""
    for count in channels:
        x = layers.Conv2D(count, KERNEL, 2, padding="same", use_bias=not normalize, dtype=policy)(x)
        x = _activated(x, policy, normalize)
    return layers.Flatten(dtype=policy)(x)


def _inputs(condition_dim):
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3), name="image")
    return image, keras.Input((condition_dim,), name="condition")


def build_encoder(condition_dim: int, latent_dim: int, width: float, policy: Any) -> Any:
    """[image (n, 64, 64, 3), condition (n, condition_dim)] -> [mean, log_var], float32 (n, latent_dim)."""
    image, condition = _inputs(condition_dim)
    channels = scaled_channels(width)
    x = _convolutions(image, channels, policy, normalize=True)
    x = layers.Concatenate(dtype=policy)([x, condition])
    x = _activated(layers.Dense(channels[-1], dtype=policy)(x), policy, normalize=False)
    mean, log_var = (layers.Dense(latent_dim, dtype="float32")(x) for _ in range(2))
    return keras.Model([image, condition], [mean, log_var], name="encoder")


def build_decoder(condition_dim: int, latent_dim: int, width: float, policy: Any) -> Any:
    """[z (n, latent_dim), condition (n, condition_dim)] -> pictures float32 (n, 64, 64, 3) in [0, 1]: DCGAN's layout
    (Radford et al. 2016)."""
    z = keras.Input((latent_dim,), name="z")
    condition = keras.Input((condition_dim,), name="condition")
    *others, most = scaled_channels(width)
    side = IMAGE_SIZE // 2 ** len(CHANNELS)
    x = layers.Concatenate(dtype=policy)([z, condition])
    x = layers.Dense(side * side * most, use_bias=False, dtype=policy)(x)
    x = layers.Reshape((side, side, most), dtype=policy)(_activated(x, policy))
    for count in reversed(others):
        x = _activated(
            layers.Conv2DTranspose(count, KERNEL, 2, padding="same", use_bias=False, dtype=policy)(x), policy
        )
    x = layers.Conv2DTranspose(3, KERNEL, 2, padding="same", dtype=policy)(x)
    return keras.Model([z, condition], layers.Activation("sigmoid", dtype="float32")(x), name="decoder")


def build_critic(condition_dim: int, width: float, policy: Any) -> Any:
    """[image (n, 64, 64, 3), condition (n, condition_dim)] -> [scores float32 (n, 1), features (n, f)].

    A score is what the features alone are worth, and how well they go with the condition: their product with its
    projection (Miyato and Koyama 2018, arXiv 1802.05637). No BatchNorm, so that each image is judged by itself.
    """
    image, condition = _inputs(condition_dim)
    features = _convolutions(image, scaled_channels(width), policy, normalize=False)
    projection = layers.Dense(features.shape[-1], use_bias=False, dtype=policy)(condition)
    fit = layers.Dot(axes=1, dtype="float32")([features, projection])
    score = layers.Add(dtype="float32")([layers.Dense(1, dtype="float32")(features), fit])
    return keras.Model([image, condition], [score, features], name="critic")
