"""A rectified flow: moves Gaussian noise to data, as a condition says."""

import itertools

import keras
import numpy as np
from keras import ops

from cvae.flow_networks import HEAD_SIZE, build_grid_network, build_vector_network
from cvae.training import wants_xla

# Share of training examples without a condition, for guidance.
CONDITION_DROPOUT = 0.1
# Rows whose mean and deviation are taken at a time.
PART = 50_000
# Steps from noise to data, and how far from what any data would get to what the condition asks for.
STEPS, GUIDANCE = 12, 3.0
# The network is asked for no later time, since training hardly ever draws one: first steps that it guessed took
# a quarter off the CLIPScore of photographs' captions.
LATEST = 0.96


def _check_shape(shape, width):
    if len(shape) not in (1, 3):
        raise ValueError(f"shape is (size,) or (height, width, channels), not {shape}")
    if len(shape) == 1:
        return
    height, side, _ = shape
    if height != side or (side > 8 and side % 8):
        raise ValueError(f"a grid is square, of 8 cells a side at most or a multiple of 8, not {height} x {side}")
    if width % HEAD_SIZE:
        raise ValueError(f"width is a multiple of {HEAD_SIZE} for grids, not {width}")


@keras.saving.register_keras_serializable("cvae")
class RectifiedFlow(keras.Model):
    """Learns the velocity that leads along straight lines from noise to data (Liu et al. 2022, arXiv 2209.03003).

    Times are drawn as Esser et al. 2024 do (arXiv 2403.03206), more of them in the middle. A tenth of the examples is
    told nothing, its condition being zeros (classifier-free guidance, Ho and Salimans 2022, arXiv 2207.12598).
    Noise is added to the others' conditions, up to a length of `condition_noise`, so that conditions that lie beside
    those of training, as texts' embeddings beside images', still mean something (Zhou et al. 2022, arXiv 2111.13792).

    Trained by plain `fit` on a dataset of ((data, condition),); call `adapt` before. The loss is the mean squared error
    of the velocity, 2 before anything is learned;
    validation has the same noise in its conditions, and tells as many examples nothing.

    Args:
        shape: of the data: (size,) for vectors, by a perceptron, or (height, width, channels) for grids, by a
            transformer.
        condition_dim: numbers of a condition, a vector of length 1.
        width: numbers a token. depth: blocks.
        condition_noise: the longest noise that is added to a condition.

    Attributes:
        guidance: of `sample`, from 0: 1 follows the condition as the data do, more goes further from what is drawn
            without it.
        steps: of `sample`, from 1. sampler: "euler", which evaluates the velocity once a step, or "heun", twice. These
            three are not saved: they say how to draw.

    Call arguments:
        inputs: (data, condition): float32 (n, *shape) and (n, condition_dim).

    Call returns:
        (velocity, target): float32, each shaped as the data.

    Raises:
        ValueError: a shape of another length; a grid that is not square, wider than 8 and no multiple of 8, or of a
            width that is no multiple of 64, the size of the transformer's heads.
    """

    def __init__(self, shape, condition_dim, width=256, depth=8, condition_noise=0.0, **kwargs):
        # Kept in float32: latents would lose their last digits before they are standardised.
        super().__init__(autocast=False, **kwargs)
        self.shape = tuple(shape)
        _check_shape(self.shape, width)
        self.condition_dim = condition_dim
        self.width = width
        self.depth = depth
        self.condition_noise = condition_noise
        build_network = build_grid_network if len(self.shape) == 3 else build_vector_network
        network_shape = self.shape if len(self.shape) == 3 else self.shape[0]
        self.network = build_network(network_shape, condition_dim, width, depth, self.dtype_policy)
        self.network.jit_compile = wants_xla()
        fixed = {"shape": self.shape[-1:], "trainable": False, "autocast": False}
        self.center = self.add_weight(initializer="zeros", name="center", **fixed)
        self.scale = self.add_weight(initializer="ones", name="scale", **fixed)
        self.noise = keras.random.SeedGenerator()
        self.guidance, self.steps, self.sampler = GUIDANCE, STEPS, "euler"
        self.built = True

    @property
    def seed_generators(self):
        """The sources of its random numbers."""
        return [self.noise]

    def adapt(self, data):
        """Takes the mean and the deviation of each channel from data (n, *shape)."""
        rows = np.reshape(data, (-1, self.shape[-1]))

        def mean(function):
            # In parts, since in float64 the latents of all of COCO would take four times their memory.
            starts = range(0, len(rows), PART)
            return sum(function(rows[start : start + PART].astype(np.float64)).sum(0) for start in starts) / len(rows)

        center = mean(lambda part: part)
        self.center.assign(center)
        self.scale.assign(mean(lambda part: np.square(part - center)) ** 0.5 + 1e-6)

    def call(self, inputs, training=False):
        data, condition = inputs
        data = (ops.cast(data, "float32") - self.center) / self.scale
        count = ops.shape(data)[0]
        time = ops.sigmoid(keras.random.normal((count,), dtype="float32", seed=self.noise))
        noise = keras.random.normal(ops.shape(data), dtype="float32", seed=self.noise)
        far = ops.reshape(time, (count, *(1 for _ in self.shape)))
        velocity = self.network([(1 - far) * data + far * noise, time, self._blurred(condition)], training=training)
        return velocity, noise - data

    def _blurred(self, condition):
        """Conditions with noise of any length up to `condition_noise`, brought back to length 1; a tenth are zeros."""
        condition = ops.cast(condition, "float32")
        count = ops.shape(condition)[0]
        kept = keras.random.uniform((count, 1), dtype="float32", seed=self.noise) >= CONDITION_DROPOUT
        length = self.condition_noise * keras.random.uniform((count, 1), dtype="float32", seed=self.noise)
        noise = keras.random.normal(ops.shape(condition), dtype="float32", seed=self.noise)
        blurred = ops.normalize(condition + length * noise / self.condition_dim**0.5, axis=-1)
        return ops.where(kept, blurred, 0.0)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        velocity, target = y_pred
        return ops.mean(ops.square(target - velocity))

    def sample(self, noise, condition):
        """Moves noise to data, in `steps` steps of `sampler` with `guidance`.

        Args:
            noise: float32 (n, *shape), Gaussian. condition: float32 (n, condition_dim).

        Returns:
            float32 (n, *shape).

        Raises:
            ValueError: another sampler, or no steps.
        """
        return self.integrate(noise, condition, 1.0, 0.0) * np.asarray(self.scale) + np.asarray(self.center)

    def integrate(self, x, condition, start, end):
        """Follows the velocity from one time to another: 1 is noise, 0 data (standardised); float32 (n, *shape)."""
        x, condition = np.asarray(x, np.float32), np.asarray(condition, np.float32)
        if self.sampler not in ("heun", "euler"):
            raise ValueError(f"sampler is heun or euler, not {self.sampler}")
        if self.steps < 1:
            raise ValueError(f"steps is at least 1, not {self.steps}")
        for now, then in itertools.pairwise(np.linspace(start, end, self.steps + 1).tolist()):
            velocity = self._velocity(x, now, condition)
            following = x + (then - now) * velocity
            if self.sampler == "heun":
                velocity = 0.5 * (velocity + self._velocity(following, then, condition))
                following = x + (then - now) * velocity
            x = following
        return x

    def _velocity(self, x, time, condition):
        times = np.full(len(x), min(time, LATEST), np.float32)
        if self.guidance == 1:
            return self.network.predict_on_batch([x, times, condition])
        both = [np.concatenate([x, x]), np.concatenate([times, times])]
        conditions = np.concatenate([condition, np.zeros_like(condition)])
        conditional, unconditional = np.split(self.network.predict_on_batch([*both, conditions]), 2)
        return unconditional + self.guidance * (conditional - unconditional)

    def get_config(self):
        return super().get_config() | {
            "shape": self.shape,
            "condition_dim": self.condition_dim,
            "width": self.width,
            "depth": self.depth,
            "condition_noise": self.condition_noise,
        }
