"""The losses, all in float32 and summed as the evidence bound wants them: over pixels and latent dimensions."""

import functools

import numpy as np
from keras import ops

LOG_VAR_RANGE = (-20.0, 10.0)
# Keeps the logarithms finite; the coursework's Keras uses the same.
EPSILON = 1e-7


def clip_log_var(log_var):
    """Casts to float32 and clips to [-20, 10], so that exp stays finite."""
    return ops.clip(ops.cast(log_var, "float32"), *LOG_VAR_RANGE)


def bce(image, reconstruction):
    """Binary cross-entropy in nats: mean over channels, sum over pixels, one number an image.

    Args:
        image, reconstruction: (n, height, width, channels) in [0, 1].

    Returns:
        float32 (n,).
    """
    image = ops.cast(image, "float32")
    p = ops.clip(ops.cast(reconstruction, "float32"), EPSILON, 1 - EPSILON)
    nats = -(image * ops.log(p) + (1 - image) * ops.log(1 - p))
    return ops.sum(ops.mean(nats, axis=-1), axis=(1, 2))


def kl_divergence(mean, log_var):
    """KL(N(mean, exp(log_var)) || N(0, I)) in nats, summed over latent dimensions (Kingma and Welling 2013).

    Args:
        mean, log_var: (n, latent_dim).

    Returns:
        float32 (n,).
    """
    mean, log_var = ops.cast(mean, "float32"), clip_log_var(log_var)
    return -0.5 * ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=-1)


@functools.cache
def _gaussian_window(side, width=11, sigma=1.5):
    """The matrix (side - 10, side) that slides SSIM's Gaussian over a row of `side` pixels."""
    offsets = np.arange(width) - width // 2
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    matrix = np.zeros((side - width + 1, side), np.float32)
    for row in range(len(matrix)):
        matrix[row, row : row + width] = kernel
    return matrix


def ssim(image, reconstruction):
    """Structural similarity (Wang et al. 2004), the same as `tf.image.ssim` with max_val 1, on every backend.

    The 11 x 11 Gaussian window is separable, so that it is two products with a band matrix: no slower than a
    convolution on a GPU, and several times faster than a depthwise one on a CPU.

    Args:
        image, reconstruction: (n, height, width, channels) in [0, 1], sides of at least 11.

    Returns:
        float32 (n,), 1 for equal images.
    """
    x, y = ops.cast(image, "float32"), ops.cast(reconstruction, "float32")
    rows, columns = _gaussian_window(x.shape[1]), _gaussian_window(x.shape[2])

    def blur(values):
        return ops.einsum("nhwc,ph,qw->npqc", values, rows, columns)

    c1, c2 = 0.01**2, 0.03**2
    mean_x, mean_y = blur(x), blur(y)
    # Sums of variances and covariances as tf.image.ssim has them; no root, so no infinite gradient on flat images.
    luminance = (2 * mean_x * mean_y + c1) / (ops.square(mean_x) + ops.square(mean_y) + c1)
    covariance = 2 * (blur(x * y) - mean_x * mean_y)
    variances = blur(ops.square(x) + ops.square(y)) - ops.square(mean_x) - ops.square(mean_y)
    contrast = (covariance + c2) / (variances + c2)
    return ops.mean(ops.mean(luminance * contrast, axis=(1, 2)), axis=-1)
