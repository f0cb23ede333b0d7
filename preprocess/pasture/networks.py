"""The two towers of the small CLIP in Keras, as OpenAI's `clip.model.CLIP` has them: a ResNet, and a transformer."""

from typing import Any

import keras
from keras import layers, ops

from preprocess.utils.types import Tensor

CONTEXT_LENGTH, VOCABULARY, TEXT_WIDTH, TEXT_DEPTH, TEXT_HEADS = 77, 49408, 64, 2, 1
IMAGE_SIZE, IMAGE_WIDTH, BLOCKS, EMBEDDING_DIM = 64, 16, (1, 2, 2, 1), 512
# Of attention over the last grid: one head for every 64 numbers.
HEAD_SIZE = 64
# PyTorch's, where Keras' are larger.
EPSILON = 1e-5


class QuickGELU(layers.Layer):
    """x sigmoid(1.702 x), which CLIP has in place of the GELU."""

    def call(self, x: Tensor) -> Tensor:
        return x * ops.sigmoid(1.702 * x)


class Attention(layers.Layer):
    """Attention (Vaswani et al. 2017, arXiv 1706.03762), each token to all, or to itself and those before it.

    Args:
        heads: how many. causal: whether a token sees those before it alone.

    Call arguments:
        query: float (n, q, d). x: float (n, t, d), what it looks at.
    """

    def __init__(self, width, heads, causal=False, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.causal = heads, causal
        self.query, self.key, self.value = (layers.Dense(width, name=name) for name in ("query", "key", "value"))

    def call(self, query: Tensor, x: Tensor) -> Tensor:
        parts = (self.query(query), self.key(x), self.value(x))
        heads = (ops.reshape(p, (-1, p.shape[1], self.heads, p.shape[2] // self.heads)) for p in parts)
        found = ops.dot_product_attention(*heads, is_causal=self.causal)
        return ops.reshape(found, (-1, *parts[0].shape[1:]))

    def compute_output_spec(self, query: Any, x: Any) -> Any:
        return keras.KerasTensor(query.shape, query.dtype)


class Places(layers.Layer):
    """Adds a vector of its own to each place: (n, t, d)."""

    def build(self, shape: Any) -> None:
        self.table = self.add_weight(shape[1:], name="table")

    def call(self, x: Tensor) -> Tensor:
        return x + self.table


class AtEnd(layers.Layer):
    """What stands at a text's end, whose token has the highest number: x (n, t, d), tokens (n, t) to (n, d)."""

    def call(self, x: Tensor, tokens: Tensor) -> Tensor:
        end = ops.one_hot(ops.argmax(tokens, axis=1), tokens.shape[1], dtype=x.dtype)
        return ops.einsum("nt,ntd->nd", end, x)

    def compute_output_spec(self, x: Any, tokens: Any) -> Any:
        return keras.KerasTensor((x.shape[0], x.shape[2]), x.dtype)


def build_text_tower() -> keras.Model:
    """Tokens int32 (n, 77) to embeddings (n, 512), of any length."""
    tokens = keras.Input((CONTEXT_LENGTH,), dtype="int32")
    x = layers.Embedding(VOCABULARY, TEXT_WIDTH, name="token_embedding")(tokens)
    x = Places(name="positional_embedding")(x)
    for number in range(TEXT_DEPTH):
        name = f"transformer.resblocks.{number}."
        y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}ln_1")(x)
        y = Attention(TEXT_WIDTH, TEXT_HEADS, causal=True, name=f"{name}attn.in_proj")(y, y)
        x = layers.Add()([x, layers.Dense(TEXT_WIDTH, name=f"{name}attn.out_proj")(y)])
        y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}ln_2")(x)
        y = QuickGELU()(layers.Dense(4 * TEXT_WIDTH, name=f"{name}mlp.c_fc")(y))
        x = layers.Add()([x, layers.Dense(TEXT_WIDTH, name=f"{name}mlp.c_proj")(y)])
    x = AtEnd()(layers.LayerNormalization(epsilon=EPSILON, name="ln_final")(x), tokens)
    return keras.Model(tokens, layers.Dense(EMBEDDING_DIM, use_bias=False, name="text_projection")(x), name="text")


def build_image_tower() -> keras.Model:
    """Images (n, 64, 64, 3), normalised as CLIP's are, to embeddings (n, 512) and the last grid (n, 2, 2, 512)."""
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    x = image
    for number, (width, stride) in enumerate(((IMAGE_WIDTH // 2, 2), (IMAGE_WIDTH // 2, 1), (IMAGE_WIDTH, 1)), 1):
        x = layers.ReLU()(_convolution(x, width, 3, f"visual.conv{number}", f"visual.bn{number}", stride))
    x = layers.AveragePooling2D(2)(x)
    for stage, blocks in enumerate(BLOCKS):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = _bottleneck(x, IMAGE_WIDTH * 2**stage, stride, f"visual.layer{stage + 1}.{block}.")
    return keras.Model(image, [_pooled_by_attention(x), x], name="image")


def _convolution(x, width, kernel, name, norm, stride=1):
    if kernel > 1:
        # As PyTorch pads: on both sides alike, whatever the stride.
        x = layers.ZeroPadding2D(kernel // 2)(x)
    x = layers.Conv2D(width, kernel, stride, use_bias=False, name=name)(x)
    return layers.BatchNormalization(epsilon=EPSILON, name=norm)(x)


def _bottleneck(x, width, stride, name):
    y = layers.ReLU()(_convolution(x, width, 1, f"{name}conv1", f"{name}bn1"))
    y = layers.ReLU()(_convolution(y, width, 3, f"{name}conv2", f"{name}bn2"))
    y = layers.AveragePooling2D(stride)(y) if stride > 1 else y
    y = _convolution(y, 4 * width, 1, f"{name}conv3", f"{name}bn3")
    if stride > 1 or x.shape[-1] != 4 * width:
        x = layers.AveragePooling2D(stride)(x) if stride > 1 else x
        x = _convolution(x, 4 * width, 1, f"{name}downsample.0", f"{name}downsample.1")
    return layers.ReLU()(layers.Add()([x, y]))


def _pooled_by_attention(grid):
    """Attention of the grid's mean to the grid and itself."""
    height, width, channels = grid.shape[1:]
    cells = layers.Reshape((height * width, channels))(grid)
    mean = layers.GlobalAveragePooling1D(keepdims=True)(cells)
    tokens = Places(name="visual.attnpool.positional_embedding")(layers.Concatenate(axis=1)([mean, cells]))
    found = Attention(channels, channels // HEAD_SIZE, name="visual.attnpool")(tokens[:, :1], tokens)
    return layers.Dense(EMBEDDING_DIM, name="visual.attnpool.c_proj")(layers.Flatten()(found))


def set_weights(tower: keras.Model, state: Any) -> None:
    """Gives a tower the weights of a state dict of OpenAI's, {name: array}; layers are named as there."""
    for layer in tower.layers:
        if layer.weights:
            layer.set_weights(list(_weights_of(layer, state)))


def _weights_of(layer, state):
    name = layer.name
    if isinstance(layer, layers.Conv2D):
        yield state[f"{name}.weight"].transpose(2, 3, 1, 0)
    elif isinstance(layer, layers.BatchNormalization):
        yield from (state[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
    elif isinstance(layer, Attention):
        yield from _attention_weights(name, state)
    elif isinstance(layer, layers.Dense) and name != "text_projection":
        yield from (state[f"{name}.weight"].T, state[f"{name}.bias"])
    elif isinstance(layer, layers.LayerNormalization):
        yield from (state[f"{name}.weight"], state[f"{name}.bias"])
    else:
        # Of words and of places, and what projects texts, which PyTorch keeps as a plain matrix.
        yield state[f"{name}.weight"] if isinstance(layer, layers.Embedding) else state[name]


def _attention_weights(name, state):
    if f"{name}.q_proj.weight" in state:
        parts = [(state[f"{name}.{part}_proj.weight"], state[f"{name}.{part}_proj.bias"]) for part in "qkv"]
    else:
        # PyTorch's own attention has queries, keys and values in one matrix.
        stem = name.removesuffix("in_proj")
        matrices, biases = (state[f"{stem}in_proj_{part}"].reshape(3, -1, *state[f"{stem}in_proj_{part}"].shape[1:])
                            for part in ("weight", "bias"))  # fmt: skip
        parts = list(zip(matrices, biases))
    for matrix, bias in parts:
        yield from (matrix.T, bias)
