"""The networks of the flows: what moves noise to latents, given a time and a condition."""

import math
from typing import Any

import keras
from keras import layers, ops

from preprocess.utils.types import Tensor

# Sinusoids of the time embedding, and how much faster the first turns than the last.
FREQUENCIES, LONGEST = 64, 1000.0
HEAD_SIZE = 64


@keras.saving.register_keras_serializable("cvae")
class SinusoidalEmbedding(layers.Layer):
    """Times (n,) in [0, 1] as sines and cosines, float32 (n, 128), from fast to slow.

    Vaswani et al. 2017, arXiv 1706.03762.
    """

    def call(self, time: Tensor) -> Tensor:
        frequencies = ops.exp(-math.log(LONGEST) * ops.arange(FREQUENCIES, dtype="float32") / FREQUENCIES)
        angles = LONGEST * ops.cast(time, "float32")[:, None] * frequencies
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def compute_output_shape(self, shape: Any) -> tuple[Any, ...]:
        return shape[0], 2 * FREQUENCIES


@keras.saving.register_keras_serializable("cvae")
class PositionEmbedding(layers.Layer):
    """Adds to each of the tokens (n, t, d) a learned vector of its place."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape=shape[1:], initializer=keras.initializers.RandomNormal(stddev=0.02))

    def call(self, tokens: Tensor) -> Tensor:
        return tokens + self.table


@keras.saving.register_keras_serializable("cvae")
class AdaLNZero(layers.Layer):
    """Normalised tokens scaled and shifted as a condition says, and a gate for what a block makes of them.

    Peebles and Xie 2022, arXiv 2212.09748. All is zero at first, so that a block begins as the identity.

    Args:
        gated: whether there is a gate; the last layer has none.

    Call arguments:
        tokens: (n, t, d) or (n, d). condition: (n, c).

    Call returns:
        The modulated tokens; with a gate (those, the gate to multiply a block's output with).
    """

    def __init__(self, gated=True, **kwargs):
        super().__init__(**kwargs)
        self.gated = gated
        self.parts = 3 if gated else 2

    def build(self, tokens_shape: Any, condition_shape: Any) -> None:
        self.normalise = layers.LayerNormalization(epsilon=1e-6, center=False, scale=False, dtype=self.dtype_policy)
        self.project = layers.Dense(self.parts * tokens_shape[-1], kernel_initializer="zeros", dtype=self.dtype_policy)
        self.normalise.build(tokens_shape)
        self.project.build(condition_shape)

    def call(self, tokens: Tensor, condition: Tensor) -> Tensor:
        projected = self.project(condition)
        if len(tokens.shape) == 3:
            projected = projected[:, None]
        shift, scale, *gate = ops.split(projected, self.parts, axis=-1)
        modulated = self.normalise(tokens) * (1 + scale) + shift
        return (modulated, *gate) if self.gated else modulated

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"gated": self.gated}


@keras.saving.register_keras_serializable("cvae")
class Attention(layers.Layer):
    """Multi-head self-attention of tokens (n, t, d), heads of 64 numbers."""

    def build(self, shape: Any) -> None:
        self.width = shape[-1]
        self.heads = max(1, self.width // HEAD_SIZE)
        self.project = layers.Dense(3 * self.width, dtype=self.dtype_policy)
        self.out = layers.Dense(self.width, dtype=self.dtype_policy)
        self.project.build(shape)
        self.out.build(shape)

    def call(self, tokens: Tensor) -> Tensor:
        count = ops.shape(tokens)[1]
        heads = -1, count, self.heads, self.width // self.heads
        # Split and not sliced: the gradients of slices took half of a step.
        query, key, value = (ops.reshape(part, heads) for part in ops.split(self.project(tokens), 3, axis=-1))
        attended = ops.dot_product_attention(query, key, value)
        return self.out(ops.reshape(attended, (-1, count, self.width)))


def _time_and_condition(time, condition, width, policy):
    """Time and condition as one vector (n, width)."""
    time = layers.Dense(width, "silu", dtype=policy)(SinusoidalEmbedding(dtype="float32")(time))
    time = layers.Dense(width, dtype=policy)(time)
    # An embedding has length 1: this brings its components to about the size of 1.
    condition = layers.Rescaling(math.sqrt(condition.shape[-1]), dtype=policy)(condition)
    condition = layers.Dense(width, dtype=policy)(condition)
    return layers.Activation("silu", dtype=policy)(layers.Add(dtype=policy)([time, condition]))


def _add_block(x, vector, function, policy):
    """Adds to tokens what a function makes of them, modulated and gated as the vector of time and condition says."""
    modulated, gate = AdaLNZero(dtype=policy)(x, vector)
    return layers.Add(dtype=policy)([x, layers.Multiply(dtype=policy)([function(modulated), gate])])


def _perceptron(x, policy):
    width = x.shape[-1]
    # On a CPU in bfloat16 the gradients of GELU and SiLU take longer than the multiplications around them.
    x = layers.Dense(4 * width, "relu", dtype=policy)(x)
    return layers.Dense(width, dtype=policy)(x)


def _inputs(shape, condition_dim):
    return keras.Input(shape, name="x"), keras.Input((), name="time"), keras.Input((condition_dim,), name="condition")


def build_grid_network(grid: Any, condition_dim: int, width: int, depth: int, policy: Any) -> Any:
    """A diffusion transformer on a grid: (x (n, h, w, c), time (n,), condition) to a velocity (n, h, w, c).

    Grids wider than 8 are cut into patches, so that there are 64 tokens.
    """
    inputs = x, time, condition = _inputs(grid, condition_dim)
    vector = _time_and_condition(time, condition, width, policy)
    patch = max(1, grid[0] // 8)
    side = grid[0] // patch
    x = layers.Conv2D(width, patch, patch, dtype=policy)(x)
    x = PositionEmbedding(dtype=policy)(layers.Reshape((side * side, width), dtype=policy)(x))
    for _ in range(depth):
        x = _add_block(x, vector, Attention(dtype=policy), policy)
        x = _add_block(x, vector, lambda tokens: _perceptron(tokens, policy), policy)
    x = AdaLNZero(gated=False, dtype=policy)(x, vector)
    x = layers.Reshape((side, side, width), dtype=policy)(x)
    velocity = layers.Conv2DTranspose(grid[-1], patch, patch, kernel_initializer="zeros", dtype="float32")(x)
    return keras.Model(inputs, velocity)


def build_vector_network(size: int, condition_dim: int, width: int, depth: int, policy: Any) -> Any:
    """A residual perceptron: (x (n, size), time (n,), condition (n, condition_dim)) to a velocity (n, size)."""
    inputs = x, time, condition = _inputs((size,), condition_dim)
    vector = _time_and_condition(time, condition, width, policy)
    x = layers.Dense(width, dtype=policy)(x)
    for _ in range(depth):
        x = _add_block(x, vector, lambda tokens: _perceptron(tokens, policy), policy)
    x = AdaLNZero(gated=False, dtype=policy)(x, vector)
    return keras.Model(inputs, layers.Dense(size, kernel_initializer="zeros", dtype="float32")(x))
