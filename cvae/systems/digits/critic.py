"""A critic of drawn digits, so that pictures from noise and from labels look like digits."""

from typing import Any

import keras
from keras import layers, ops

from cvae.nn.frozen import call_frozen
from preprocess.mnist import IMAGE_SIZE, LABELS
from preprocess.utils.types import Tensor

DRAWN = LABELS


def _cross_entropy(label, logits):
    return ops.mean(keras.losses.sparse_categorical_crossentropy(label, logits, from_logits=True))


@keras.saving.register_keras_serializable("cvae")
class LabelCritic(keras.Model):
    """Tells which digit a picture shows, or that it was drawn: eleven answers (Salimans et al. 2016, arXiv 1606.03498).

    Trained along with the model that draws, by one optimiser: `judge` has gradients for the critic alone and `convince`
    for the pictures alone.

    Args:
        channels: of the convolutions at 14 and at 7 px.

    Call arguments:
        inputs: float32 (n, 28, 28, 1) in [0, 1].

    Call returns:
        Logits, float32 (n, 11).
    """

    def __init__(self, channels=(32, 64), **kwargs):
        super().__init__(**kwargs)
        self.channels = tuple(channels)
        policy = self.dtype_policy
        x = image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 1))
        for count in self.channels:
            x = layers.Conv2D(count, 4, 2, padding="same", dtype=policy)(x)
            x = layers.LeakyReLU(0.2, dtype=policy)(x)
        logits = layers.Dense(LABELS + 1, dtype="float32")(layers.Flatten(dtype=policy)(x))
        self.network = keras.Model(image, logits)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)

    def judge(self, images: Tensor, labels: Tensor, pictures: Tensor) -> Tensor:
        """The critic's own loss, a scalar in nats: for images of those labels, and pictures that were drawn."""
        drawn = ops.full((ops.shape(pictures)[0],), DRAWN, "int32")
        return _cross_entropy(labels, self(images)) + _cross_entropy(drawn, self(ops.stop_gradient(pictures)))

    def convince(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """The loss of pictures that should pass for images of those labels, a scalar in nats."""
        return _cross_entropy(labels, call_frozen(self, pictures))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"channels": self.channels}
