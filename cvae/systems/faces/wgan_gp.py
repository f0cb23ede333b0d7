"""A Wasserstein GAN of portraits conditioned on their attributes, a sentence's embedding, or both."""

from typing import Any

import keras
from keras import ops

from cvae.nn.optimizers import scaled
from cvae.systems.faces.networks import build_critic, build_decoder
from preprocess.utils.types import Tensor

PENALTY_WEIGHT = 10.0
CRITIC_STEPS = 5
# Keeps the gradient of a norm finite at 0.
EPSILON = 1e-12
# Of the average of the generator's weights, at most; less in the first steps.
AVERAGE_DECAY = 0.995


@keras.saving.register_keras_serializable("cvae")
class ClipWGANGP(keras.Model):
    """A WGAN with gradient penalty (Gulrajani et al. 2017, arXiv 1704.00028) on 64 px portraits in [0, 1].

    Trained by `fit` on a dataset of ((image, condition),), on the TensorFlow backend: each step trains the critic, and
    every fifth the generator. The two have an optimiser each, of the same kind, and a model that is saved keeps both.
    Pictures are drawn by an average of the generator's weights over its last steps (Karras et al. 2018).

    Logs "loss", the critic's; "distance", its estimate of the Wasserstein distance; "penalty", unweighted.

    Args:
        condition_dim: numbers of a condition: 40 attributes of 0 or 1, an embedding, or the one and then the other.
        latent_dim: numbers in the noise z.
        width: factor on the channels; for small machines.
    """

    def __init__(self, condition_dim, latent_dim=128, width=1.0, **kwargs):
        super().__init__(**kwargs)
        self.condition_dim = condition_dim
        self.latent_dim = latent_dim
        self.width = width
        decoder = condition_dim, latent_dim, width, self.dtype_policy
        self.generator = build_decoder(*decoder)
        self.averaged = build_decoder(*decoder)
        self.averaged.trainable = False
        self.averaged.set_weights(self.generator.get_weights())
        self.critic = build_critic(condition_dim, width, self.dtype_policy)
        self.noise = keras.random.SeedGenerator()
        self.trackers = {name: keras.metrics.Mean(name=name) for name in ("loss", "distance", "penalty")}
        self.built = True

    @property
    def seed_generators(self) -> list[Any]:
        """The sources of its random numbers."""
        return [self.noise]

    def draw(self, noise: Tensor, condition: Tensor) -> Tensor:
        """Gives pictures float32 (n, 64, 64, 3) in [0, 1] for Gaussian noise (n, latent_dim) and conditions."""
        return self.averaged([ops.convert_to_tensor(noise), ops.convert_to_tensor(condition)], training=False)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Scores images (n, 64, 64, 3) in [0, 1] with their conditions: float32 (n, 1), higher is more real."""
        return self.critic(list(inputs))[0]

    def compile(self, optimizer: Any, **kwargs: Any) -> None:
        """Takes the critic's optimiser; the generator gets one with the same arguments.

        Raises:
            ValueError: the backend is not TensorFlow.
        """
        if keras.backend.backend() != "tensorflow":
            raise ValueError("ClipWGANGP trains on the TensorFlow backend")
        # Each of the two losses has gradients, and in float16 a scale, of its own.
        super().compile(scaled(keras.optimizers.get(optimizer), self), auto_scale_loss=False, **kwargs)
        self.optimizer.build(self.critic.trainable_variables)
        self.generator_optimizer = type(self.optimizer).from_config(self.optimizer.get_config())
        self.generator_optimizer.build(self.generator.trainable_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Keras leaves this to models that have a `compile` of their own.
        config = keras.saving.deserialize_keras_object(config)
        self.compile(config["optimizer"], jit_compile=config["jit_compile"])

    def train_step(self, data: Any) -> dict[str, Tensor]:
        import tensorflow as tf

        [(image, condition)] = data
        parts = self._train_critic(image, condition)
        turn = self.optimizer.iterations % CRITIC_STEPS == 0
        tf.cond(turn, lambda: self._train_generator(condition), lambda: tf.constant(0.0))
        for name, value in parts.items():
            self.trackers[name].update_state(value)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def _draw_lots(self, condition):
        z = keras.random.normal((ops.shape(condition)[0], self.latent_dim), dtype="float32", seed=self.noise)
        return self.generator([z, condition], training=True)

    def _train_critic(self, image, condition):
        import tensorflow as tf

        drawn = self._draw_lots(condition)
        with tf.GradientTape() as tape:
            both, conditions = ops.concatenate([image, drawn]), ops.concatenate([condition, condition])
            real_score, drawn_score = ops.split(self.critic([both, conditions])[0], 2)
            distance = ops.mean(real_score) - ops.mean(drawn_score)
            penalty = self._penalty(image, drawn, condition)
            loss = PENALTY_WEIGHT * penalty - distance
            large = self.optimizer.scale_loss(loss)
        variables = self.critic.trainable_variables
        self.optimizer.apply(tape.gradient(large, variables), variables)
        return {"loss": loss, "distance": distance, "penalty": penalty}

    def _penalty(self, image, drawn, condition):
        """How far the critic's slope is from 1 at a place between each image and a drawn one, squared: a scalar."""
        import tensorflow as tf

        share = keras.random.uniform((ops.shape(image)[0], 1, 1, 1), dtype="float32", seed=self.noise)
        mixed = drawn + share * (image - drawn)
        with tf.GradientTape() as tape:
            tape.watch(mixed)
            scores = self.critic([mixed, condition])[0]
        slopes = ops.sqrt(ops.sum(ops.square(tape.gradient(scores, mixed)), axis=(1, 2, 3)) + EPSILON)
        return ops.mean(ops.square(slopes - 1))

    def _train_generator(self, condition):
        import tensorflow as tf

        # Callbacks know the critic's optimiser only.
        self.generator_optimizer.learning_rate.assign(self.optimizer.learning_rate)
        with tf.GradientTape() as tape:
            loss = -ops.mean(self.critic([self._draw_lots(condition), condition])[0])
            large = self.generator_optimizer.scale_loss(loss)
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(large, variables), variables)
        self._average()
        return loss

    def _average(self):
        steps = ops.cast(self.generator_optimizer.iterations, "float32")
        decay = ops.minimum(AVERAGE_DECAY, (1 + steps) / (10 + steps))
        for average, weight in zip(self.averaged.weights, self.generator.weights):
            average.assign(decay * average + (1 - decay) * weight)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "condition_dim": self.condition_dim,
            "latent_dim": self.latent_dim,
            "width": self.width,
        }
