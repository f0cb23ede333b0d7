"""The losses, all in float32 and summed as the evidence bound wants them: over pixels and latent dimensions."""

import contextlib
import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from preprocess.utils.types import Tensor

LOG_VAR_RANGE = (-20.0, 10.0)
# Keeps the logarithms finite; the coursework's Keras uses the same.
EPSILON = 1e-7


def clip_log_var(log_var: Tensor) -> Tensor:
    """Casts to float32 and clips to [-20, 10], so that exp stays finite."""
    return ops.clip(ops.cast(log_var, "float32"), *LOG_VAR_RANGE)


def bce(image: Tensor, reconstruction: Tensor) -> Tensor:
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


def kl_divergence(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) || N(0, I)) in nats, summed over latent dimensions (Kingma and Welling 2013).

    Args:
        mean, log_var: (n, latent_dim).

    Returns:
        float32 (n,).
    """
    mean, log_var = ops.cast(mean, "float32"), clip_log_var(log_var)
    return -0.5 * ops.sum(1 + log_var - ops.square(mean) - ops.exp(log_var), axis=-1)


def vae_parts(image: Tensor, reconstruction: Tensor, mean: Tensor, log_var: Tensor) -> dict[str, Tensor]:
    """What a VAE of pictures logs, scalars: {"bce", "kl" in nats, "ssim"}, means over the batch."""
    return {
        "bce": ops.mean(bce(image, reconstruction)),
        "kl": ops.mean(kl_divergence(mean, log_var)),
        "ssim": ops.mean(ssim(image, reconstruction)),
    }


def track(trackers: dict[str, Any], parts: dict[str, Tensor], count: int) -> None:
    """Adds a batch's parts of the loss to their `keras.metrics.Mean`s.

    Args:
        trackers: {name: metric}. parts: {name: scalar}. count: images in the batch.
    """
    for name, value in parts.items():
        # Weighted as Keras weighs the loss, so that a smaller last batch counts for less.
        trackers[name].update_state(value, sample_weight=count)


@functools.cache
def _gaussian(channels, width=11, sigma=1.5):
    """SSIM's window along the height and along the width, as kernels of a depthwise convolution."""
    offsets = np.arange(width) - width // 2
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    column = np.tile((weights / weights.sum()).astype(np.float32)[:, None, None, None], (1, 1, channels, 1))
    return column, column.transpose(1, 0, 2, 3)


def _full_precision():
    """On TPUs and new GPUs, JAX multiplies float32 in bfloat16 or TF32 by default."""
    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.default_matmul_precision("highest")


def ssim(image: Tensor, reconstruction: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004), the same as `tf.image.ssim` with max_val 1, on every backend.

    Args:
        image, reconstruction: (n, height, width, channels) in [0, 1], sides of at least 11.

    Returns:
        float32 (n,), 1 for equal images.
    """
    x, y = ops.cast(image, "float32"), ops.cast(reconstruction, "float32")
    moments = ops.concatenate([x, y, ops.square(x) + ops.square(y), x * y], axis=-1)
    with _full_precision():
        for kernel in _gaussian(moments.shape[-1]):
            moments = ops.depthwise_conv(moments, kernel)
    mean_x, mean_y, squares, product = ops.split(moments, 4, axis=-1)
    c1, c2 = 0.01**2, 0.03**2
    # Variances and not deviations: no root, so no infinite gradient on flat images.
    variances = ops.maximum(squares - ops.square(mean_x) - ops.square(mean_y), 0)
    luminance = (2 * mean_x * mean_y + c1) / (ops.square(mean_x) + ops.square(mean_y) + c1)
    contrast = (2 * (product - mean_x * mean_y) + c2) / (variances + c2)
    return ops.mean(luminance * contrast, axis=(1, 2, 3))


def contrastive(image_z: Tensor, label_z: Tensor, scale: Tensor, labels: Tensor = None) -> Tensor:
    """CLIP's symmetric contrastive loss (Radford et al. 2021) of n pairs of latents, in nats.

    Args:
        image_z, label_z: (n, d), scaled to length 1 here.
        scale: the factor on their cosines.
        labels: int (n,): all pairs of an image and a latent of its own label are right answers, and the loss is minus
            the logarithm of their probabilities' sum. None for CLIP's own, where only the pair itself is right.

    Returns:
        float32 (n,), the mean of both directions.
    """
    image_z, label_z = (ops.normalize(ops.cast(z, "float32"), axis=-1) for z in (image_z, label_z))
    with _full_precision():
        logits = scale * ops.matmul(image_z, ops.transpose(label_z))
    count = ops.shape(logits)[0]
    same = ops.eye(count, dtype="bool") if labels is None else ops.equal(labels[:, None], labels[None, :])
    right = ops.where(same, logits, -1e9)
    directions = [ops.logsumexp(logits, axis=axis) - ops.logsumexp(right, axis=axis) for axis in (1, 0)]
    return 0.5 * (directions[0] + directions[1])
