"""The two sides of the encoder of photographs, which make embeddings of images' features and of texts' tokens."""

from typing import Any

import keras
from keras import layers, ops

from preprocess.photographs.tokenizer import CONTEXT_LENGTH, END, VOCABULARY
from preprocess.utils.types import Tensor

EMBEDDING_DIM = 512
# Of the text's transformer: 3.5 million weights, most of them the vocabulary's.
WIDTH, DEPTH, HEADS = 192, 3, 3
# Numbers of the image: EfficientNet's, and a grid of 4 x 4 mean colours.
FEATURES, COLOURS = 1280, 48
HIDDEN = 1024
# Weights of the losses: what the teacher says of texts, what it says of images, and CLIP's.
TEXTS, IMAGES, PAIRS = 4.0, 1.0, 0.1


@keras.saving.register_keras_serializable("cvae")
class UpToEnd(layers.Layer):
    """Which of the tokens (n, t) belong to the text, its end included: bool (n, t)."""

    def call(self, tokens: Tensor) -> Tensor:
        ends = ops.cast(ops.equal(tokens, END), "int32")
        return ops.equal(ops.cumsum(ends, axis=1) - ends, 0)

    def compute_output_spec(self, tokens: Any) -> Any:
        return keras.KerasTensor(tokens.shape, "bool")


@keras.saving.register_keras_serializable("cvae")
class MaskedMean(layers.Layer):
    """The mean of those rows of x (n, t, d) that a mask (n, t) has: (n, d)."""

    def call(self, x: Tensor, mask: Tensor) -> Tensor:
        shares = ops.cast(mask, x.dtype)[..., None]
        return ops.sum(x * shares, axis=1) / ops.sum(shares, axis=1)

    def compute_output_spec(self, x: Any, mask: Any) -> Any:
        return keras.KerasTensor((x.shape[0], x.shape[2]), x.dtype)


def build_text_network(policy: Any = "float32") -> keras.Model:
    """A transformer (Vaswani et al. 2017, arXiv 1706.03762): tokens int32 (n, 24) to unit embeddings (n, 512)."""
    tokens = keras.Input((CONTEXT_LENGTH,), dtype="int32", name="tokens")
    mask = UpToEnd(dtype="int32")(tokens)
    x = layers.Embedding(VOCABULARY, WIDTH, dtype=policy, name="words")(tokens)
    # Of the input, since what is computed of a constant alone would be a constant, and neither learned nor kept.
    places = ops.cumsum(ops.ones_like(tokens), axis=1) - 1
    x = layers.Add(dtype=policy)([x, layers.Embedding(CONTEXT_LENGTH, WIDTH, dtype=policy, name="places")(places)])
    for _ in range(DEPTH):
        y = layers.LayerNormalization(dtype=policy)(x)
        attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dtype=policy)
        x = layers.Add(dtype=policy)([x, attention(y, y, attention_mask=mask[:, None, :])])
        y = layers.Dense(4 * WIDTH, "gelu", dtype=policy)(layers.LayerNormalization(dtype=policy)(x))
        x = layers.Add(dtype=policy)([x, layers.Dense(WIDTH, dtype=policy)(y)])
    x = MaskedMean(dtype="float32")(layers.LayerNormalization(dtype=policy)(x), mask)
    x = layers.UnitNormalization(dtype="float32")(layers.Dense(EMBEDDING_DIM, dtype="float32")(x))
    return keras.Model(tokens, x, name="text")


def build_image_network(policy: Any = "float32") -> keras.Model:
    """A perceptron: features and colours (n, 1328), standardised, to embeddings (n, 512) of length 1."""
    features = keras.Input((FEATURES + COLOURS,), name="features")
    x = layers.Normalization(name="standardise", dtype="float32")(features)
    x = layers.Dense(HIDDEN, "gelu", dtype=policy)(x)
    x = layers.Dropout(0.3, dtype=policy, name="dropout")(x)
    x = layers.UnitNormalization(dtype="float32")(layers.Dense(EMBEDDING_DIM, dtype="float32")(x))
    return keras.Model(features, x, name="image")


@keras.saving.register_keras_serializable("cvae")
class Student(keras.Model):
    """Both sides while they learn from another encoder, the teacher.

    Trained on ((tokens, features), (texts, images)): tokens of n captions and of further sentences, (m, 24) with
    m >= n; features (n, 1328) of the captions' images; and what the teacher says of either, (m, 512) and (n, 512).

    Args:
        policy: a Keras dtype policy, of both networks.
    """

    def __init__(self, policy: str = "float32", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.policy = policy
        self.text, self.image = build_text_network(policy), build_image_network(policy)
        self.log_scale = self.add_weight((), keras.initializers.Constant(3.0), name="log_scale")
        self.parts = [keras.metrics.Mean(name=name) for name in ("texts", "images", "pairs")]
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> tuple[Tensor, Tensor]:
        """Embeddings of tokens, and of features."""
        tokens, features = inputs
        return self.text(tokens, training=training), self.image(features, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """Cosines to what the teacher says, and CLIP's loss of captions and their images (arXiv 2103.00020)."""
        (said, seen), (texts, images) = y_pred, y
        count = ops.shape(seen)[0]
        text = 1 - ops.mean(ops.sum(said * texts, axis=1))
        image = 1 - ops.mean(ops.sum(seen * images, axis=1))
        logits = ops.exp(self.log_scale) * ops.matmul(seen, ops.transpose(said[:count]))
        labels = ops.arange(count)
        pairs = ops.mean(
            keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
            + keras.losses.sparse_categorical_crossentropy(labels, ops.transpose(logits), from_logits=True)
        )
        for metric, part in zip(self.parts, (text, image, pairs)):
            metric.update_state(part)
        return TEXTS * text + IMAGES * image + PAIRS * pairs

    def get_config(self) -> dict[str, Any]:
        return {"policy": self.policy, "name": self.name}
