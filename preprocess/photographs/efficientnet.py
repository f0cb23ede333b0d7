"""EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946) in Keras layers: features of photographs, learned on ImageNet.

Its weights come along in float16 (`efficientnet_lite0.npz`, Apache-2.0, see `NOTICE`); `convert.py` made them.
"""

import concurrent.futures
import functools
import pathlib

import keras
import numpy as np
from keras import layers

from preprocess.utils.load_arrays import read_arrays

WEIGHTS = pathlib.Path(__file__).with_name("efficientnet_lite0.npz")
# (repeats, kernel, stride of the first, expansion, channels) of the stages.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280
# What the weights were learned with: (bytes - 127) / 128, for images in [0, 1].
MEAN, DEVIATION = 127 / 255, 128 / 255


def _activated(x, name, convolution):
    x = convolution(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_norm", dtype="float32")(x)
    return layers.ReLU(6.0, dtype="float32")(x)


def _block(x, name, kernel, stride, expansion, channels):
    """A linear bottleneck: expanded, filtered channel by channel, projected, and added to what it began with."""
    begun = x
    plain = {"padding": "same", "use_bias": False, "dtype": "float32"}
    if expansion > 1:
        wide = layers.Conv2D(expansion * x.shape[-1], 1, name=f"{name}_expand", **plain)
        x = _activated(x, f"{name}_expand", wide)
    depthwise = layers.DepthwiseConv2D(kernel, stride, name=f"{name}_depthwise", **plain)
    x = _activated(x, f"{name}_depthwise", depthwise)
    x = layers.Conv2D(channels, 1, name=f"{name}_project", **plain)(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}_project_norm", dtype="float32")(x)
    return layers.Add(dtype="float32")([begun, x]) if begun.shape[-1] == channels and stride == 1 else x


def build_network() -> keras.Model:
    """The network without its classifier: images in [0, 1] to [stem, 16 blocks, head], NHWC.

    Strides to the image are 2 for stem and block 1, 4 for 2 and 3, 8 for 4 and 5, 16 for 6 to 11, 32 for the others.
    """
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(1 / DEVIATION, -MEAN / DEVIATION, dtype="float32")(image)
    plain = {"padding": "same", "use_bias": False, "dtype": "float32"}
    x = _activated(x, "stem", layers.Conv2D(STEM, 3, 2, name="stem", **plain))
    outputs, number = [x], 0
    for repeats, kernel, stride, expansion, channels in STAGES:
        for repeat in range(repeats):
            number += 1
            x = _block(x, f"block{number}", kernel, 1 if repeat else stride, expansion, channels)
            outputs.append(x)
    outputs.append(_activated(x, "head", layers.Conv2D(HEAD, 1, name="head", **plain)))
    return keras.Model(image, outputs, name="efficientnet_lite0")


def load_weights(network: keras.Model) -> None:
    """Gives a network of `build_network` the weights that come along."""
    kept = read_arrays(WEIGHTS, {}, "install the package again")
    for weight in network.weights:
        weight.assign(kept[weight.path].astype(np.float32))


@functools.cache
def features_network(*names: str) -> keras.Model:
    """A frozen network of images in [0, 1] to a part's output, or to a list of several ones'.

    Parts are "stem", "block1" to "block16" and "head".

    Made once for each choice; all of them share no weights.
    """
    # In a thread of its own, where nobody traces: made in a graph of `fit`, it would keep random weights.
    with concurrent.futures.ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(_make_features_network, names).result()


def _make_features_network(names):
    network = build_network()
    load_weights(network)
    network.trainable = False
    parts = ["stem", *(f"block{number}" for number in range(1, 17)), "head"]
    outputs = [network.outputs[parts.index(name)] for name in names]
    return keras.Model(network.input, outputs if len(outputs) > 1 else outputs[0])
