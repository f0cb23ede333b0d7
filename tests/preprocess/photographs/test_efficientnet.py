import pathlib

import numpy as np
import pytest

from preprocess.photographs.convert import convert, published
from preprocess.photographs.efficientnet import DEVIATION, MEAN, build_network, features_network, load_weights

IMAGES = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
# What the published network gives for them: of each part the first 16 channels in the corner of the first image.
PUBLISHED = pathlib.Path(__file__).parents[2] / "data" / "efficientnet_lite0_parts.npz"


def test_each_part_has_its_stride_and_channels():
    outputs = build_network()(IMAGES)
    sides = {32: 2, 16: 2, 8: 2, 4: 6, 2: 6}
    assert [output.shape[1] for output in outputs] == [side for side, count in sides.items() for _ in range(count)]
    assert [output.shape[-1] for output in outputs[:1] + outputs[-2:]] == [32, 320, 1280]


def test_its_weights_come_along_and_see_shapes():
    network = build_network()
    load_weights(network)
    assert sum(int(np.prod(weight.shape)) for weight in network.weights) == 3_413_024
    assert all(np.isfinite(weight).all() for weight in map(np.asarray, network.weights))
    # What it sees of a stripe and of its mirror image is alike as a whole, and of noise it is not.
    stripe = np.tile(np.sin(np.arange(64) / 4)[None, None, :, None] / 2 + 0.5, (1, 64, 1, 3)).astype(np.float32)
    seen = [np.asarray(network(image)[-1]).mean((0, 1, 2)) for image in (stripe, stripe[:, :, ::-1], IMAGES[:1])]
    alike, unlike = (np.corrcoef(seen[0], other)[0, 1] for other in seen[1:])
    assert alike > 0.9 > 0.7 > unlike


def test_the_weights_that_come_along_give_what_the_published_ones_do():
    network = build_network()
    load_weights(network)
    with np.load(PUBLISHED) as parts:
        for output, expected in zip(map(np.asarray, network(IMAGES)), parts.values(), strict=True):
            # Kernels are kept in float16.
            np.testing.assert_allclose(output[0, 0, 0, :16], expected, atol=0.03 * output.std())


def test_chosen_parts_are_frozen_and_those_of_the_whole():
    plain = features_network("block3", "head")
    assert plain is features_network("block3", "head") and not plain.trainable_weights
    whole = build_network()
    load_weights(whole)
    for output, expected in zip(plain(IMAGES), (whole(IMAGES)[3], whole(IMAGES)[-1]), strict=True):
        np.testing.assert_allclose(output, expected, atol=1e-4)


def test_every_part_agrees_with_the_published_network():
    pytest.importorskip("efficientnet_lite_pytorch")
    import torch

    network = published()
    ours, weights = build_network(), convert(network)
    for weight in ours.weights:
        weight.assign(weights[weight.path])
    with torch.no_grad():
        x = torch.from_numpy(((IMAGES - MEAN) / DEVIATION).transpose(0, 3, 1, 2))
        theirs = [network._swish(network._bn0(network._conv_stem(x)))]
        for block in network._blocks:
            theirs.append(block(theirs[-1]))
        theirs.append(network._swish(network._bn1(network._conv_head(theirs[-1]))))
    for one, other in zip(ours(IMAGES), theirs, strict=True):
        np.testing.assert_allclose(one, other.numpy().transpose(0, 2, 3, 1), atol=1e-4)
