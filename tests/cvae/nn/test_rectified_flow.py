import keras
import numpy as np
import pytest

from cvae.nn import rectified_flow
from cvae.nn.rectified_flow import RectifiedFlow
from cvae.nn.samplers import SamplerOptions
from tests.helpers import run_on_jax

CONDITIONS = np.eye(2, dtype=np.float32)


def vectors(count, seed=0):
    """Points around (4, 0) where the first condition holds and around (-4, 10) where the second does."""
    rng = np.random.default_rng(seed)
    which = rng.integers(0, 2, count)
    centers = np.array([[4, 0], [-4, 10]])
    return (centers[which] + 0.3 * rng.standard_normal((count, 2))).astype(np.float32), CONDITIONS[which]


@pytest.fixture(scope="module")
def flow():
    keras.utils.set_random_seed(0)
    data, conditions = vectors(4096)
    flow = RectifiedFlow((2,), 2, width=64, depth=2)
    flow.adapt(data)
    flow.compile(keras.optimizers.Adam(2e-3))
    batches = (((data[i::16], conditions[i::16]),) for _ in range(25) for i in range(16))
    flow.fit(batches, steps_per_epoch=400, verbose=0)
    return flow


def drawn(flow, row, **options):
    options = SamplerOptions(**{"guidance": 1.0, "steps": 12, "sampler": "heun"} | options)
    noise = np.random.default_rng(1).standard_normal((300, 2))
    return flow.sample(noise, np.repeat(CONDITIONS[row : row + 1], 300, axis=0), options)


def test_noise_goes_where_the_condition_says(flow):
    assert np.allclose(drawn(flow, 0).mean(0), (4, 0), atol=0.5)
    assert np.allclose(drawn(flow, 1).mean(0), (-4, 10), atol=0.8)
    assert drawn(flow, 0).std(0).max() < 1


@pytest.mark.parametrize(
    "options",
    [
        {"guidance": 3.0, "steps": 8, "interval": (0.0, 0.5)},
        {"guidance": 1.0, "steps": 1},
        {"guidance": 2.0, "steps": 5, "sampler": "heun"},
        {"guidance": 3.0, "steps": 8, "sampler": "adams", "interval": (0.0, 0.7)},
    ],
)
def test_step_by_step_it_draws_the_same(flow, options):
    options = SamplerOptions(**options)
    noise = np.random.default_rng(1).standard_normal((40, 2)).astype(np.float32)
    conditions = np.repeat(CONDITIONS[:1], 40, axis=0)
    steps = list(flow.sample_in_steps(noise, conditions, options))
    assert len(steps) == options.steps
    np.testing.assert_allclose(steps[-1], flow.sample(noise, conditions, options), atol=1e-4)


def test_without_a_condition_it_draws_all_kinds(flow):
    noise = np.random.default_rng(1).standard_normal((300, 2))
    points = flow.sample(noise, np.zeros((300, 2), np.float32), SamplerOptions(guidance=1.0))
    assert 0.2 < np.mean(points[:, 0] > 0) < 0.8


def test_guidance_leads_further_from_the_other_kind(flow):
    assert drawn(flow, 0, guidance=3.0)[:, 0].mean() > drawn(flow, 0)[:, 0].mean()


@pytest.mark.parametrize("sampler", ["heun", "euler"])
def test_more_steps_come_nearer_to_where_the_flow_leads(flow, sampler):
    exact = drawn(flow, 1, steps=96)
    errors = [np.abs(drawn(flow, 1, steps=steps, sampler=sampler) - exact).mean() for steps in (4, 24)]
    assert errors[1] < 0.5 * errors[0]


def test_the_way_back_leads_to_the_noise(flow):
    options = SamplerOptions(guidance=1.0, steps=40, sampler="heun")
    noise = np.random.default_rng(2).standard_normal((20, 2)).astype(np.float32)
    conditions = np.repeat(CONDITIONS[:1], 20, axis=0)
    there = flow.integrate(noise, conditions, 1.0, 0.0, options)
    assert np.abs(flow.integrate(there, conditions, 0.0, 1.0, options) - noise).mean() < 0.1


def test_conditions_of_training_get_noise_and_are_sometimes_left_out():
    flow = RectifiedFlow((2,), 8, width=64, depth=1, condition_noise=1.0)
    conditions = np.repeat(np.eye(8, dtype=np.float32)[:1], 2000, axis=0)
    blurred = np.asarray(flow._blurred(conditions))
    left_out = np.all(blurred == 0, axis=1)
    assert 0.07 < left_out.mean() < 0.13
    assert np.allclose(np.linalg.norm(blurred[~left_out], axis=1), 1, atol=1e-4)
    cosines = blurred[~left_out, 0]
    assert cosines.min() < 0.8 < cosines.mean() < 0.99


@pytest.mark.parametrize("shape", [(6,), (8, 8, 4), (16, 16, 4)])
def test_saved_and_loaded_it_draws_the_same(shape, tmp_path):
    flow = RectifiedFlow(shape, 3, width=64, depth=1, condition_noise=0.5)
    rng = np.random.default_rng(0)
    flow.adapt(rng.normal(2, 3, (50, *shape)))
    # As built its last layer is zero, and any two draw the same.
    flow.network.set_weights([rng.normal(0, 0.1, weight.shape) for weight in flow.network.get_weights()])
    flow.save(tmp_path / "flow.keras")
    again = keras.models.load_model(tmp_path / "flow.keras")
    noise, conditions = np.ones((2, *shape), np.float32), np.eye(3, dtype=np.float32)[:2]
    drawn = flow.sample(noise, conditions)
    np.testing.assert_allclose(drawn, again.sample(noise, conditions), atol=1e-4)
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-3
    assert again.condition_noise == 0.5


def test_in_bfloat16_data_are_standardised_in_float32():
    flow = RectifiedFlow((8, 8, 2), 3, width=64, depth=1, dtype="mixed_bfloat16")
    data = np.random.default_rng(0).normal(100, 1, (4, 8, 8, 2)).astype(np.float32)
    flow.adapt(data)
    conditions = np.tile(np.eye(3, dtype=np.float32)[:1], (4, 1))
    for generator in flow.seed_generators:
        generator.state.assign(np.array([1, 2], generator.state.dtype))
    _, target = flow((data, conditions))
    plain = RectifiedFlow((8, 8, 2), 3, width=64, depth=1, dtype="float32")
    plain.adapt(data)
    plain.noise.state.assign(np.array([1, 2], plain.noise.state.dtype))
    assert np.allclose(target, plain((data, conditions))[1], atol=1e-4)
    assert flow.sample(np.zeros((1, 8, 8, 2)), conditions[:1]).dtype == np.float32


@pytest.mark.parametrize(("shape", "width"), [((8, 16, 4), 64), ((12, 12, 4), 64), ((8, 8, 4), 100), ((8, 8), 64)])
def test_shapes_that_cannot_be_are_errors(shape, width):
    with pytest.raises(ValueError, match="not"):
        RectifiedFlow(shape, 3, width=width, depth=1)


@pytest.mark.parametrize("shape", [(6,), (8, 8, 4)])
def test_in_bfloat16_it_draws_with_the_weights_of_now(shape):
    flow = RectifiedFlow(shape, 3, width=64, depth=2, dtype="mixed_bfloat16")
    count = len(flow.weights)
    noise, condition = np.ones((2, *shape), np.float32), np.eye(3, dtype=np.float32)[:2]
    options = SamplerOptions(guidance=1.0, steps=4)
    before = flow.sample(noise, condition, options)
    for weight in flow.network.weights:
        weight.assign(np.random.default_rng(0).normal(0, 0.1, weight.shape))
    after = flow.sample(noise, condition, options)
    plain = RectifiedFlow.from_config(flow.get_config() | {"dtype": "float32"})
    plain.set_weights(flow.get_weights())
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, plain.sample(noise, condition, options), atol=0.1)
    assert len(flow.weights) == count


@pytest.mark.parametrize("option", [{"steps": 0}, {"sampler": "midpoint"}])
def test_there_is_no_drawing_without_steps_or_by_another_sampler(flow, option):
    with pytest.raises(ValueError, match="not"):
        drawn(flow, 0, **option)


def test_data_summed_in_parts_are_standardised_alike(monkeypatch):
    data = np.random.default_rng(0).normal(300, 2, (50, 8, 8, 4)).astype(np.float16)
    flow = RectifiedFlow((8, 8, 4), 3, width=64, depth=1)
    for part in (rectified_flow.PART, 70):
        monkeypatch.setattr(rectified_flow, "PART", part)
        flow.adapt(data)
        assert np.allclose(flow.center, data.mean((0, 1, 2), np.float64), rtol=1e-6)
        assert np.allclose(flow.scale, data.std((0, 1, 2), np.float64), rtol=1e-5)


@pytest.mark.slow
def test_a_flow_of_grids_learns_what_conditions_say():
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    which = rng.integers(0, 2, 512)
    # Bright above or bright below.
    data = rng.normal(0, 0.3, (512, 8, 8, 2)).astype(np.float32)
    data[which == 0, :4] += 3
    data[which == 1, 4:] += 3
    flow = RectifiedFlow((8, 8, 2), 2, width=64, depth=1)
    flow.adapt(data)
    flow.compile(keras.optimizers.Adam(3e-3))
    batches = (((data[i::16], CONDITIONS[which[i::16]]),) for _ in range(20) for i in range(16))
    flow.fit(batches, steps_per_epoch=320, verbose=0)
    noise, options = rng.standard_normal((20, 8, 8, 2)), SamplerOptions(guidance=1.0)
    upper, lower = flow.sample(noise, np.repeat(CONDITIONS, 10, axis=0), options).reshape(2, 10, 8, 8, 2)
    assert upper[:, :4].mean() - upper[:, 4:].mean() > 2 and lower[:, 4:].mean() - lower[:, :4].mean() > 2


def test_an_untrained_grid_flow_costs_two():
    rng = np.random.default_rng(0)
    flow = RectifiedFlow((8, 8, 4), 3, width=64, depth=1)
    data = rng.normal(5, 2, (256, 8, 8, 4)).astype(np.float32)
    flow.adapt(data)
    flow.compile()
    conditions = np.tile(np.eye(3, dtype=np.float32)[:1], (256, 1))
    # Of unit variances, noise and data lie the square root of two apart.
    assert flow.evaluate(((x,) for x in [(data, conditions)]), steps=1, verbose=0) == pytest.approx(2, rel=0.05)


@pytest.mark.slow
def test_jax_trains_and_draws_too(monkeypatch):
    run_on_jax(
        monkeypatch,
        """
        from cvae.nn.rectified_flow import RectifiedFlow
        flow = RectifiedFlow((8, 8, 2), 3, width=64, depth=1); flow.compile(keras.optimizers.Adam(2e-3, use_ema=True))
        x = np.ones((8, 8, 8, 2), np.float32), np.eye(3, dtype=np.float32)[[0] * 8]
        losses = flow.fit(((x,) for _ in range(60)), epochs=2, steps_per_epoch=30, verbose=0).history['loss']
        assert losses[1] < losses[0] < 3, losses
        assert flow.sample(np.zeros((2, 8, 8, 2)), np.eye(3)[:2]).shape == (2, 8, 8, 2)
        """,
    )
