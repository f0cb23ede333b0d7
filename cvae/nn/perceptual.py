"""How different two images look to a network that learned ImageNet's photographs."""

from keras import ops

from preprocess.photographs.efficientnet import features_network
from preprocess.utils.types import Tensor

# At strides of 2, 4, 8 and 16.
PARTS = ("stem", "block3", "block5", "block11")


class PerceptualDistance:
    """The distance of two images in the features of EfficientNet-Lite0 (LPIPS' idea, Zhang et al. 2018, 1801.03924).

    Each place's features are brought to length 1; their squared difference is summed over channels, averaged over
    places and summed over four strides: 0 for equal images, 8 at the most where none is negative.

    Not a layer: its weights belong to no model that uses it, and are in no model's file.
    """

    def __init__(self) -> None:
        self.network = features_network(*PARTS)

    def __call__(self, images: Tensor, pictures: Tensor) -> Tensor:
        """A scalar, float32, for two batches (n, height, width, 3) in [0, 1]; gradients reach the second alone."""
        wanted = self.network(images, training=False)
        seen = self.network(pictures, training=False)
        return sum(_distance(ops.stop_gradient(one), other) for one, other in zip(wanted, seen))


def _distance(wanted, seen):
    difference = _unit(wanted) - _unit(seen)
    return ops.mean(ops.sum(ops.square(difference), axis=-1))


def _unit(features):
    features = ops.cast(features, "float32")
    return features * ops.rsqrt(ops.sum(ops.square(features), axis=-1, keepdims=True) + 1e-6)
