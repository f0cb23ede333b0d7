import itertools

import keras
import numpy as np
import pytest
from keras import ops

from cvae.nn.samplers import (
    LATEST,
    SAMPLERS,
    SamplerOptions,
    compile_integration,
    guided_parts,
    integrate,
    times_between,
)
from tests.helpers import run_on_jax


def spin(inputs):
    """A velocity that turns points around the origin, faster where the condition is larger."""
    x, _, condition = inputs
    return ops.stack([-x[:, 1], x[:, 0]], axis=1) * condition


def always(guidance):
    return None if guidance is None else ops.convert_to_tensor(guidance, "float32")


def test_a_turn_ends_where_it_began():
    x, condition = np.array([[1.0, 0.0]], np.float32), np.full((1, 1), 2 * np.pi, np.float32)
    for sampler, steps, error in (("euler", 2000, 0.02), ("adams", 200, 0.005), ("heun", 200, 0.002)):
        times = ops.convert_to_tensor(times_between(0.0, 1.0, steps))
        turned = integrate(spin, ops.convert_to_tensor(x), ops.convert_to_tensor(condition), times, None, sampler)
        np.testing.assert_allclose(turned, x, atol=error)


def test_guidance_goes_so_much_further_from_what_zeros_give():
    """The network's velocity is the condition: zeros give none, and guidance multiplies it."""
    network = lambda inputs: inputs[2]  # noqa: E731
    x, condition = ops.zeros((1, 1)), ops.ones((1, 1))
    for guidance, expected in ((None, 1.0), (1.0, 1.0), (3.0, 3.0), (0.0, 0.0)):
        moved = integrate(
            network, x, condition, ops.convert_to_tensor(times_between(0, 1, 4)), always(guidance), "euler"
        )
        np.testing.assert_allclose(moved, [[expected]], atol=1e-6)


@pytest.mark.parametrize(
    ("start", "interval", "expected"),
    [(0.0, (0.2, 0.6), [(2, False), (3, True), (2, False)]), (1.0, (0.0, 0.75), [(2, False), (4, True)])],
)
def test_outside_of_its_interval_there_is_no_guidance(start, interval, expected):
    options = SamplerOptions(guidance=3.0, steps=4, interval=interval)
    times = times_between(start, 1 - start, 4)
    parts = guided_parts(times, options)
    assert [(len(part), guided) for part, guided in parts] == expected
    assert [(len(part), guided) for part, guided in guided_parts(times, SamplerOptions(guidance=1.0))] == [(5, False)]
    # Each part begins where the one before it ended.
    joined = np.concatenate([part[:1] for part, _ in parts] + [parts[-1][0][-1:]])
    assert joined[0] == start and joined[-1] == 1 - start
    assert all(before[-1] == after[0] for (before, _), (after, _) in itertools.pairwise(parts))


@pytest.mark.parametrize("guidance", [None, 3.0])
def test_the_network_is_asked_for_no_time_that_training_hardly_draws(guidance):
    seen = []

    def network(inputs):
        seen.append(float(ops.max(inputs[1])))
        return inputs[0]

    x, times = ops.ones((2, 2)), times_between(1.0, 0.0, 4)
    for now in times:
        # By hand: a compiled loop has no values to look at.
        integrate(
            network,
            x,
            ops.ones((2, 1)),
            ops.convert_to_tensor(np.array([now, 0], np.float32)),
            always(guidance),
            "euler",
        )
    assert max(seen) == np.float32(LATEST) and min(seen) == 0


@pytest.mark.parametrize("options", [{"steps": 0}, {"sampler": "midpoint"}])
def test_there_is_no_drawing_without_steps_or_by_another_sampler(options):
    with pytest.raises(ValueError, match="not"):
        SamplerOptions(**options)


def small_network():
    keras.utils.set_random_seed(0)
    x, time, condition = keras.Input((3,)), keras.Input(()), keras.Input((2,))
    inputs = keras.layers.Concatenate()([x, time[:, None], condition])
    return keras.Model([x, time, condition], keras.layers.Dense(3)(keras.layers.Dense(8, "tanh")(inputs)))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("guided", [False, True])
def test_compiled_it_gives_the_same_and_follows_the_weights(sampler, guided):
    network = small_network()
    rng = np.random.default_rng(0)
    x, condition = rng.standard_normal((5, 3)).astype(np.float32), rng.standard_normal((5, 2)).astype(np.float32)
    compiled = compile_integration(network, guided, sampler)
    for steps in (2, 7):
        arrays = [ops.convert_to_tensor(a) for a in (x, condition, times_between(1, 0, steps), always(2.0))]
        plain = integrate(network, *arrays[:3], arrays[3] if guided else None, sampler)
        found, _ = compiled(arrays[0], ops.zeros((5, 3)), always(np.inf), *arrays[1:])
        np.testing.assert_allclose(found, plain, atol=1e-5)
        network.set_weights([2 * weight for weight in network.get_weights()])


def test_on_jax_it_follows_the_weights_too(monkeypatch):
    run_on_jax(
        monkeypatch,
        """
        from cvae.nn.samplers import compile_integration, integrate, times_between
        from tests.cvae.nn.test_samplers import always, small_network
        network = small_network()
        compiled = compile_integration(network, True, "adams")
        arrays = [np.ones((2, 3), np.float32), np.ones((2, 2), np.float32), times_between(1, 0, 3), always(2)]
        for _ in range(2):
            x, *others = [keras.ops.convert_to_tensor(array) for array in arrays]
            found, _ = compiled(x, keras.ops.zeros_like(x), always(np.inf), *others)
            np.testing.assert_allclose(found, integrate(network, x, *others, "adams"), atol=1e-5)
            network.set_weights([2 * weight for weight in network.get_weights()])
        """,
    )
