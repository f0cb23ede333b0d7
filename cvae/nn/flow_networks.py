"""The networks of the flows: what moves noise to latents, given a time and a condition."""

import math
from typing import Any

import keras
from keras import layers, ops

from preprocess.utils.types import Tensor

# Sinusoids of the time embedding, and how much faster the first turns than the last.
FREQUENCIES, LONGEST = 64, 1000.0
HEAD_SIZE = 64
# The name of the tokens after half of a transformer's blocks.
MIDDLE = "middle"
# The name of the layer that takes in the condition.
CONDITION = "condition_projection"


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
    """Multi-head self-attention of tokens (n, t, d), heads of 64 numbers.

    Args:
        normalised: whether queries and keys are brought to one length, times a learned scale, so that attention stays
            soft in long trainings (Henry et al. 2020, arXiv 2010.04245).
    """

    def __init__(self, normalised=False, **kwargs):
        super().__init__(**kwargs)
        self.normalised = normalised

    def build(self, shape: Any) -> None:
        self.width = shape[-1]
        self.heads = max(1, self.width // HEAD_SIZE)
        self.project = layers.Dense(3 * self.width, dtype=self.dtype_policy)
        self.out = layers.Dense(self.width, dtype=self.dtype_policy)
        self.project.build(shape)
        self.out.build(shape)
        if self.normalised:
            self.scales = [self.add_weight((HEAD_SIZE,), "ones", name=f"{name}_scale") for name in ("query", "key")]

    def call(self, tokens: Tensor) -> Tensor:
        count = ops.shape(tokens)[1]
        heads = -1, count, self.heads, self.width // self.heads
        # Split and not sliced: the gradients of slices took half of a step.
        query, key, value = (ops.reshape(part, heads) for part in ops.split(self.project(tokens), 3, axis=-1))
        if self.normalised:
            query, key = (_to_one_length(part) * scale for part, scale in zip((query, key), self.scales))
        attended = ops.dot_product_attention(query, key, value)
        return self.out(ops.reshape(attended, (-1, count, self.width)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"normalised": self.normalised}


def _to_one_length(x):
    """Vectors whose numbers' mean square is 1."""
    return x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + 1e-6)


@keras.saving.register_keras_serializable("cvae")
def squared_relu(x: Tensor) -> Tensor:
    """The square of ReLU (So et al. 2021, arXiv 2109.08668)."""
    return ops.square(ops.relu(x))


def _time_and_condition(time, condition, width, policy):
    """Time and condition as one vector (n, width)."""
    time = layers.Dense(width, "silu", dtype=policy)(SinusoidalEmbedding(dtype="float32")(time))
    time = layers.Dense(width, dtype=policy)(time)
    # An embedding has length 1: this brings its components to about the size of 1.
    condition = layers.Rescaling(math.sqrt(condition.shape[-1]), dtype=policy)(condition)
    condition = layers.Dense(width, dtype=policy, name=CONDITION)(condition)
    return layers.Activation("silu", dtype=policy)(layers.Add(dtype=policy)([time, condition]))


def _add_block(x, vector, function, policy):
    """Adds to tokens what a function makes of them, modulated and gated as the vector of time and condition says."""
    modulated, gate = AdaLNZero(dtype=policy)(x, vector)
    return layers.Add(dtype=policy)([x, layers.Multiply(dtype=policy)([function(modulated), gate])])


def _perceptron(x, activation, policy):
    width = x.shape[-1]
    # On a CPU in bfloat16 the gradients of GELU and SiLU take longer than the multiplications around them.
    x = layers.Dense(4 * width, activation, dtype=policy)(x)
    return layers.Dense(width, dtype=policy)(x)


def _inputs(shape, condition_dim):
    return keras.Input(shape, name="x"), keras.Input((), name="time"), keras.Input((condition_dim,), name="condition")


def build_grid_network(
    grid: Any, condition_dim: int, width: int, depth: int, policy: Any, revision: int = 2, side: int = 8
) -> Any:
    """A diffusion transformer on a grid: (x (n, h, w, c), time (n,), condition) to a velocity (n, h, w, c).

    Grids that are wider than `side` are cut into patches.

    Args:
        grid: (h, w, c). condition_dim: of conditions. width, depth: of tokens, and the number of blocks.
        policy: a Keras dtype policy.
        revision: 1 for that of version 0.2 and before: queries and keys as they are, and plain ReLU.
        side: tokens a side, at most.
    """
    inputs = x, time, condition = _inputs(grid, condition_dim)
    vector = _time_and_condition(time, condition, width, policy)
    patch = max(1, grid[0] // side)
    side = grid[0] // patch
    x = layers.Conv2D(width, patch, patch, dtype=policy)(x)
    x = PositionEmbedding(dtype=policy)(layers.Reshape((side * side, width), dtype=policy)(x))
    activation = squared_relu if revision > 1 else "relu"
    for block in range(1, depth + 1):
        x = _add_block(x, vector, Attention(normalised=revision > 1, dtype=policy), policy)
        x = _add_block(x, vector, lambda tokens: _perceptron(tokens, activation, policy), policy)
        if block == depth // 2:
            x = layers.Identity(name=MIDDLE, dtype=policy)(x)
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
        x = _add_block(x, vector, lambda tokens: _perceptron(tokens, "relu", policy), policy)
    x = AdaLNZero(gated=False, dtype=policy)(x, vector)
    return keras.Model(inputs, layers.Dense(size, kernel_initializer="zeros", dtype="float32")(x))
