"""Sampling from a flow: pure functions of a network, noise, conditions and options, compiled as one graph."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

# The network is asked for no later time, since training hardly ever draws one: first steps that it guessed took
# a quarter off the CLIPScore of photographs' captions.
LATEST = 0.96
SAMPLERS = ("euler", "adams", "heun")


@dataclasses.dataclass(frozen=True)
class SamplerOptions:
    """How to follow a flow's velocity.

    Attributes:
        guidance: from 0. 1 follows the condition as the data do; more goes further from what is drawn without it
            (classifier-free guidance, Ho and Salimans 2022, arXiv 2207.12598).
        steps: from noise to data, from 1.
        sampler: "euler", which evaluates the velocity once a step; "adams", which does too and heeds how it has changed
            since the step before (Adams and Bashforth's method of second order); or "heun", twice.
        interval: the times at which pictures are guided, 1 is noise: at the first ones guidance costs variety
            (Kynkäänniemi et al. 2024, arXiv 2404.07724). docs/flow.md has the figures that these defaults come from.

    Raises:
        ValueError: another sampler, or no steps.
    """

    guidance: float = 6.0
    steps: int = 8
    sampler: str = "adams"
    interval: tuple[float, float] = (0.0, 0.8)

    def __post_init__(self) -> None:
        # From a file they come as a list.
        object.__setattr__(self, "interval", tuple(self.interval))
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler is one of {', '.join(SAMPLERS)}, not {self.sampler}")
        if self.steps < 1:
            raise ValueError(f"steps is at least 1, not {self.steps}")


DEFAULT = SamplerOptions()


def velocity(network: Any, x: Any, time: Any, condition: Any, guidance: Any) -> Any:
    """The velocity at a time; guided: what the condition changes, so many times.

    Args: see `integrate`.
    """
    times = ops.ones_like(x[:, 0] if len(x.shape) == 2 else x[:, 0, 0, 0]) * ops.minimum(time, LATEST)

    if guidance is None:
        return network([x, times, condition])
    both = [ops.concatenate([x, x]), ops.concatenate([times, times])]
    conditional, unconditional = ops.split(network([*both, ops.concatenate([condition, ops.zeros_like(condition)])]), 2)
    return unconditional + guidance * (conditional - unconditional)


def integrate(network: Any, x: Any, condition: Any, times: Any, guidance: Any, sampler: str) -> Any:
    """Follows the velocity through times, of which 1 is noise and 0 data.

    Args:
        network: [x (n, *shape), times (n,), condition (n, c)] to a velocity, shaped as x.
        x: float32 (n, *shape). condition: float32 (n, c). times: float32 (steps + 1,).
        guidance: float32 (), or None for the network's own velocity. sampler: see `SamplerOptions`.

    Returns:
        float32 (n, *shape).
    """
    return go_on(network, x, ops.zeros_like(x), math.inf, condition, times, guidance, sampler)[0]


def go_on(
    network: Any, x: Any, slope: Any, gap: Any, condition: Any, times: Any, guidance: Any, sampler: str
) -> tuple[Any, Any]:
    """As `integrate`, after a step that was alike.

    Args:
        slope: float32 (n, *shape), the velocity at the beginning of that step. gap: float32 (), its length, infinite
            where there was none. Others: see `integrate`.

    Returns:
        (x, slope), of the last step.
    """

    def step(index: Any, state: Any) -> Any:
        x, before = state
        now, then = times[index], times[index + 1]
        slope = heeded = velocity(network, x, now, condition, guidance)
        if sampler == "heun":
            heeded = 0.5 * (slope + velocity(network, x + (then - now) * slope, then, condition, guidance))
        if sampler == "adams":
            since = ops.where(index > 0, now - times[ops.maximum(index - 1, 0)], gap)
            # What the velocity will be in the middle of this step, if it goes on changing as it did.
            heeded = slope + 0.5 * (then - now) / since * (slope - before)
        return x + (then - now) * heeded, slope

    return ops.fori_loop(0, ops.shape(times)[0] - 1, step, (x, slope))


def compile_integration(network: Any, guided: bool, sampler: str) -> Callable[..., Any]:
    """`go_on` as one compiled graph: a function (x, slope, gap, condition, times, guidance) of arrays."""

    def run(x: Any, slope: Any, gap: Any, condition: Any, times: Any, guidance: Any) -> tuple[Any, Any]:
        return go_on(network, x, slope, gap, condition, times, guidance if guided else None, sampler)

    if keras.backend.backend() == "jax":
        return _compile_on_jax(network, run)
    import tensorflow as tf

    return tf.function(run, reduce_retracing=True)


def _compile_on_jax(network: Any, run: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    # The weights are an argument: as constants they would be those of the first call for ever.
    @jax.jit
    def stateless(values: list[Any], *arrays: Any) -> Any:
        with keras.StatelessScope(state_mapping=zip(network.variables, values)):
            return run(*arrays)

    return lambda *arrays: stateless([variable.value for variable in network.variables], *arrays)


def guided_parts(times: np.ndarray, options: SamplerOptions) -> list[tuple[np.ndarray, bool]]:
    """Times cut where guidance begins and ends, since a step without it costs half as much.

    Args:
        times: float32 (steps + 1,). options: guidance and interval, in which the guided steps begin.

    Returns:
        [(times of a part, whether it is guided)].
    """
    first, last = options.interval
    # As float32 0.8 is a little more.
    guided = (times[:-1] > first - 1e-6) & (times[:-1] < last + 1e-6) & (options.guidance != 1)
    cuts = [0, *(np.flatnonzero(np.diff(guided)) + 1), len(guided)]
    return [(times[begin : end + 1], bool(guided[begin])) for begin, end in itertools.pairwise(cuts)]


def times_between(start: float, end: float, steps: int) -> np.ndarray:
    """The times of equal steps from one to the other, float32 (steps + 1,)."""
    return np.linspace(start, end, steps + 1, dtype=np.float32)
