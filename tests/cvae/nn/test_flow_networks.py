import keras
import numpy as np
import pytest

from cvae.nn.flow_networks import AdaLNZero, SinusoidalEmbedding, build_grid_network, build_vector_network

RNG = np.random.default_rng(0)


def shaken(network):
    """A network with no weight at zero: as built, its last layers give zeros whatever they are conditions."""
    network.set_weights([RNG.normal(0, 0.1, weight.shape) for weight in network.get_weights()])
    return network


def grid_network(side=8, depth=1):
    return shaken(build_grid_network((side, side, 4), 3, 64, depth, "float32"))


def velocity(network, x, time=0.5, row=0):
    conditions = np.repeat(np.eye(3, dtype=np.float32)[row : row + 1], len(x), axis=0)
    return np.asarray(network([x.astype(np.float32), np.full(len(x), time, np.float32), conditions]))


@pytest.mark.parametrize(
    ("network", "shape"), [(grid_network(), (8, 8, 4)), (shaken(build_vector_network(6, 3, 64, 1, "float32")), (6,))]
)
def test_data_time_and_condition_all_count(network, shape):
    x = RNG.standard_normal((2, *shape))
    usual = velocity(network, x)
    assert usual.shape == x.shape
    for other in (velocity(network, x + 0.5), velocity(network, x, time=0.6), velocity(network, x, row=1)):
        assert np.abs(other - usual).max() > 1e-3
    # One example says nothing about another.
    assert np.allclose(velocity(network, x[1:]), usual[1:], atol=1e-5)


def test_places_differ_and_hear_of_each_other():
    network = grid_network()
    same = velocity(network, np.ones((1, 8, 8, 4)))[0]
    assert np.abs(same - same[0, 0]).max() > 1e-3
    elsewhere = np.ones((1, 8, 8, 4))
    elsewhere[0, 7, 7] = -3
    changed = np.abs(velocity(network, elsewhere)[0] - same).max(-1)
    changed[7, 7] = 0
    assert changed.max() > 1e-3


def test_patches_of_a_wider_grid_keep_their_places():
    network = grid_network(side=16, depth=0)
    x = RNG.standard_normal((1, 16, 16, 4))
    other = x.copy()
    other[0, 2:4, 10:12] += 1
    changed = np.abs(velocity(network, other) - velocity(network, x)).max((0, 3)) > 1e-6
    assert changed[2:4, 10:12].all() and changed.sum() == 4


def test_a_block_begins_as_the_identity():
    tokens, condition = RNG.standard_normal((2, 5, 8)), RNG.standard_normal((2, 3))
    modulated, gate = AdaLNZero()(tokens, condition)
    assert not np.any(gate)
    normalised = (tokens - tokens.mean(-1, keepdims=True)) / tokens.std(-1, keepdims=True)
    assert np.allclose(modulated, normalised, atol=1e-3)
    assert np.allclose(AdaLNZero(gated=False)(tokens, condition), normalised, atol=1e-3)


def test_times_differ_coarsely_and_finely():
    conditions = np.asarray(SinusoidalEmbedding()(np.array([0, 0.001, 0.5, 1], np.float32)))
    assert conditions.shape == (4, 128) and np.abs(conditions).max() <= 1
    assert all(np.abs(a - b).max() > 0.5 for i, a in enumerate(conditions) for b in conditions[:i])
    # Not of times close together alone: the slowest hardly turn in a thousandth.
    assert np.abs(conditions[1] - conditions[0]).min() < 0.01


def test_bfloat16_gives_float32_velocities():
    network = build_grid_network((8, 8, 4), 3, 64, 1, "mixed_bfloat16")
    assert keras.backend.standardize_dtype(network.output.dtype) == "float32"
