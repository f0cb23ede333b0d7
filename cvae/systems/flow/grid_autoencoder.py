"""What the autoencoders have in common whose latent is a grid: their blocks, and the error of pixels."""

from typing import Any

import keras
from keras import layers, ops

from preprocess.utils.types import Tensor

# How often images are halved, each time to measure the error anew.
HALVINGS = 3


class GridAutoencoder(keras.Model):
    """A convolutional autoencoder of images of any size, by convolutions and residual blocks.

    Attributes:
        latent_channels: channels of the latent. downsampling: pixels a side for each of its cells.
    """

    downsampling: int
    latent_channels: int

    def grid_of(self, image_size: int) -> tuple[int, int, int]:
        """The shape of a latent of images of `image_size` pixels a side."""
        side = image_size // self.downsampling
        return side, side, self.latent_channels

    def _convolution(self, x: Tensor, channels: int, kernel: int = 3, **options: Any) -> Tensor:
        return layers.Conv2D(channels, kernel, padding="same", dtype=self.dtype_policy, **options)(x)

    def _activated(self, x: Tensor) -> Tensor:
        return layers.LeakyReLU(0.2, dtype=self.dtype_policy)(x)

    def _residual(self, x: Tensor) -> Tensor:
        """Two convolutions added to what they begin with; zero at first, in place of normalisation.

        Child 2021, arXiv 2011.10650. With group normalisation and SiLU, as the trial had, a step takes 2.2 times as
        long on a CPU.
        """
        y = x
        for initializer in ("he_normal", "zeros"):
            y = self._convolution(self._activated(y), x.shape[-1], kernel_initializer=initializer)
        return layers.Add(dtype=self.dtype_policy)([x, y])


def at_half(x: Tensor) -> Tensor:
    """Images or latents (n, h, w, c) at half of their side, the means of 2 x 2."""
    return ops.average_pool(x, 2, 2)


def absolute_error(images: Tensor, pictures: Tensor) -> Tensor:
    """The mean absolute error of pixels, and that at a half, a quarter and an eighth of the side, summed: a scalar."""
    difference = ops.cast(images, "float32") - ops.cast(pictures, "float32")
    total = ops.mean(ops.abs(difference))
    for _ in range(HALVINGS):
        difference = at_half(difference)
        total += ops.mean(ops.abs(difference))
    return total
