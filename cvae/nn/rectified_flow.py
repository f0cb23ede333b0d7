"""A rectified flow: moves Gaussian noise to data, as a condition says."""

import itertools
import math
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from cvae.nn import replicas
from cvae.nn.flow_networks import HEAD_SIZE, build_grid_network, build_vector_network
from cvae.nn.samplers import DEFAULT, compile_integration, guided_parts, times_between
from preprocess.utils.types import Tensor

# Share of training examples without a condition, for guidance.
CONDITION_DROPOUT = 0.1
# Rows whose mean and deviation are taken at a time.
PART = 50_000


class _Way(NamedTuple):
    """How far the data have come: x, the velocity where the last step began, its length, and whether it was guided."""

    x: Any
    slope: Any = None
    gap: Any = math.inf
    guided: bool | None = None


def _check_shape(shape, width, tokens):
    if len(shape) not in (1, 3):
        raise ValueError(f"shape is (size,) or (height, width, channels), not {shape}")
    if len(shape) == 1:
        return
    height, side, _ = shape
    if height != side or (side > tokens and side % tokens):
        raise ValueError(
            f"a grid is square, of {tokens} cells a side at most or a multiple of {tokens}, not {height} x {side}"
        )
    if width % HEAD_SIZE:
        raise ValueError(f"width is a multiple of {HEAD_SIZE} for grids, not {width}")


@keras.saving.register_keras_serializable("cvae")
class RectifiedFlow(keras.Model):
    """Learns the velocity that leads along straight lines from noise to data (Liu et al. 2022, arXiv 2209.03003).

    Times are drawn as Esser et al. 2024 do (arXiv 2403.03206), more of them in the middle. A tenth of the examples get
    zeros as their condition (classifier-free guidance, Ho and Salimans 2022, arXiv 2207.12598).
    Noise is added to the others' conditions, up to a length of `condition_noise`, so that conditions that lie beside
    those of training, as texts' embeddings beside images', still mean something (Zhou et al. 2022, arXiv 2111.13792).

    Trained by plain `fit` on a dataset of ((data, condition),); call `adapt` before. The loss is the mean squared error
    of the velocity, 2 before anything is learned; validation has the same noise and as many zeros in its conditions.

    Args:
        shape: of the data: (size,) for vectors, by a perceptron, or (height, width, channels) for grids, by a
            transformer.
        condition_dim: c; a condition is a vector of length 1.
        width: the token dimension. depth: number of blocks.
        condition_noise: the longest noise that is added to a condition.
        revision: of the transformer, see `build_grid_network`; files of version 0.2 and before say nothing, for 1.
        side: tokens a side that the transformer cuts a grid into, at most.

    Call arguments:
        inputs: (data, condition): float32 (n, *shape) and (n, condition_dim).

    Call returns:
        (velocity, target): float32, each shaped as the data.

    Raises:
        ValueError: a shape of another length; a grid that is not square, wider than `side` and no multiple of it, or of
            a width that is no multiple of 64, the size of the transformer's heads.
    """

    def __init__(self, shape, condition_dim, width=256, depth=8, condition_noise=0.0, revision=2, side=8, **kwargs):
        # Kept in float32: latents would lose their last digits before they are standardised.
        super().__init__(autocast=False, **kwargs)
        self.shape = tuple(shape)
        _check_shape(self.shape, width, side)
        self.condition_dim = condition_dim
        self.width = width
        self.depth = depth
        self.condition_noise = condition_noise
        self.revision = revision
        self.side = side
        self.network = self._build_network(self.dtype_policy)
        fixed = {"shape": self.shape[-1:], "trainable": False, "autocast": False}
        self.center = self.add_weight(initializer="zeros", name="center", **fixed)
        self.scale = self.add_weight(initializer="ones", name="scale", **fixed)
        self.noise = keras.random.SeedGenerator()
        self._compiled = {}
        # In a namespace, where Keras does not find it: it is no part of the model.
        self._drawing = types.SimpleNamespace(network=None)
        self.built = True

    def _build_network(self, policy):
        size = self.condition_dim, self.width, self.depth, policy
        if len(self.shape) == 3:
            return build_grid_network(self.shape, *size, self.revision, self.side)
        return build_vector_network(self.shape[0], *size)

    @property
    def seed_generators(self) -> list[Any]:
        """The sources of its random numbers."""
        return [self.noise]

    def adapt(self, data: Any) -> None:
        """Takes the mean and the deviation of each channel from data (n, *shape)."""
        rows = np.reshape(data, (-1, self.shape[-1]))

        def mean(function):
            # In parts, since in float64 the latents of all of COCO would take four times their memory.
            starts = range(0, len(rows), PART)
            return sum(function(rows[start : start + PART].astype(np.float64)).sum(0) for start in starts) / len(rows)

        center = mean(lambda part: part)
        self.center.assign(center)
        self.scale.assign(mean(lambda part: np.square(part - center)) ** 0.5 + 1e-6)

    def call(self, inputs: Tensor, training: bool = False) -> tuple[Tensor, ...]:
        question, target = self.ask(*inputs)
        return self.network(question, training=training), target

    def ask(self, data: Tensor, condition: Tensor) -> tuple[list[Tensor], Tensor]:
        """What the network is asked in training, [data on the way, times, conditions], and the right answer."""
        data = (ops.cast(data, "float32") - self.center) / self.scale
        count = ops.shape(data)[0]
        time = ops.sigmoid(replicas.normal((count,), self.noise))
        noise = replicas.normal(ops.shape(data), self.noise)
        far = ops.reshape(time, (count, *(1 for _ in self.shape)))
        return [(1 - far) * data + far * noise, time, self._blurred(condition)], noise - data

    def _blurred(self, condition):
        """Conditions with noise of any length up to `condition_noise`, then of length 1 again; a tenth become zeros."""
        condition = ops.cast(condition, "float32")
        count = ops.shape(condition)[0]
        kept = replicas.uniform((count, 1), self.noise) >= CONDITION_DROPOUT
        length = self.condition_noise * replicas.uniform((count, 1), self.noise)
        noise = replicas.normal(ops.shape(condition), self.noise)
        blurred = ops.normalize(condition + length * noise / self.condition_dim**0.5, axis=-1)
        return ops.where(kept, blurred, 0.0)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        velocity, target = y_pred
        return replicas.share_loss(ops.mean(ops.square(target - velocity)))

    def sample(self, noise: Tensor, condition: Tensor, options: Any = DEFAULT) -> np.ndarray:
        """Moves noise to data.

        Args:
            noise: float32 (n, *shape), Gaussian. condition: float32 (n, condition_dim). options: `SamplerOptions`.

        Returns:
            float32 (n, *shape).
        """
        return self.integrate(noise, condition, 1.0, 0.0, options) * np.asarray(self.scale) + np.asarray(self.center)

    def integrate(self, x: Tensor, condition: Tensor, start: Any, end: Any, options: Any = DEFAULT) -> np.ndarray:
        """Follows the velocity from one time to another: 1 is noise, 0 data (standardised); float32 (n, *shape)."""
        network, times = self._network_to_draw_with(), times_between(start, end, options.steps)
        return np.asarray(self._follow(network, _Way(x), condition, times, options).x)

    def sample_in_steps(self, noise: Tensor, condition: Tensor, options: Any = DEFAULT) -> Iterator[np.ndarray]:
        """As `sample`, one step after another: yields the data that each step points at, the last what is drawn."""
        way, network = _Way(ops.convert_to_tensor(noise, "float32")), self._network_to_draw_with()
        for now, then in itertools.pairwise(times_between(1.0, 0.0, options.steps)):
            further = self._follow(network, way, condition, np.array([now, then]), options)
            pointed_at = further.x - then * (further.x - way.x) / (then - now)
            yield np.asarray(pointed_at) * np.asarray(self.scale) + np.asarray(self.center)
            way = further

    def _follow(self, network: Any, way: _Way, condition: Tensor, times: np.ndarray, options: Any) -> _Way:
        for part, guided in guided_parts(times, options):
            kind = guided, options.sampler
            if kind not in self._compiled:
                self._compiled[kind] = compile_integration(network, *kind)
            # Where guidance begins the velocity leaps, and what it was before says nothing.
            slope, gap = (way.slope, way.gap) if way.guided == guided else (ops.zeros_like(way.x), math.inf)
            arrays = (way.x, slope, gap, condition, part, options.guidance)
            found = self._compiled[kind](*(ops.convert_to_tensor(array, "float32") for array in arrays))
            way = _Way(found[0], found[1], part[-1] - part[-2], guided)
        return way

    def _network_to_draw_with(self):
        """The network, with its weights in the type it computes in.

        Else each step would cast them anew: on a core a picture of 64 px takes 89 ms in place of 159, and is the same.
        """
        if self.compute_dtype == self.variable_dtype:
            return self.network
        if self._drawing.network is None:
            self._drawing.network = self._build_network(self.compute_dtype)
        for own, weight in zip(self._drawing.network.weights, self.network.weights, strict=True):
            own.assign(weight)
        return self._drawing.network

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "shape": self.shape,
            "condition_dim": self.condition_dim,
            "width": self.width,
            "depth": self.depth,
            "condition_noise": self.condition_noise,
            "revision": self.revision,
            "side": self.side,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**{"revision": 1} | config)
