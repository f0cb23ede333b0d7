"""Noise that follows from other noise, so that a picture depends on its own alone."""

import numpy as np


def further_noise(noise, size):
    """Gaussian noise float32 (n, size) that follows from other noise (n, more than 1), row by row."""
    seeds = np.ascontiguousarray(noise[:, :2], np.float32).view(np.uint32)
    return np.stack([np.random.default_rng(seed).standard_normal(size, np.float32) for seed in seeds])
