"""Keeps what a model is told out of its latent, so that it must draw it from what it is told."""

import keras
from keras import layers, ops

UNITS = 256


@keras.saving.register_keras_serializable("cvae")
class Guesser(keras.Model):
    """Guesses conditions from latents, while the encoder learns to give nothing away (Lample et al. 2017, Fader
    Networks, arXiv 1706.00409).

    A latent that is drawn by lot goes with any condition as well as those of training did only if both are independent.
    Trained along with the model, by one optimiser: `guess` has gradients for the guesser alone, `betray` for the
    latents alone.

    Args:
        condition_dim: numbers of a condition.

    Call arguments:
        inputs: float32 (n, latent_dim).

    Call returns:
        float32 (n, condition_dim).
    """

    def __init__(self, latent_dim, condition_dim, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.latent_dim, self.condition_dim = latent_dim, condition_dim
        x = z = keras.Input((latent_dim,))
        x = layers.LeakyReLU(0.2)(layers.Dense(UNITS)(x))
        self.network = keras.Model(z, layers.Dense(condition_dim)(x))
        self.built = True

    def call(self, inputs):
        return self.network(inputs)

    def guess(self, z, condition):
        """The guesser's own loss, a scalar: 1 when it guesses the mean, 0 when all is right."""
        return _distance(self(ops.stop_gradient(z)), condition, condition)

    def betray(self, z, condition):
        """How much latents tell, a scalar: 0 when the guesser can but guess the mean, about 1 when all is known."""
        frozen = [ops.stop_gradient(weight.value) for weight in self.trainable_variables]
        guesses, _ = self.stateless_call(frozen, [], z)
        return _distance(guesses, ops.mean(condition, axis=0, keepdims=True), condition)


def _distance(guesses, truth, condition):
    """Squared differences in units of each number's variance, so that a rare attribute counts as a common one."""
    variance = ops.var(condition, axis=0)
    # Of the mean variance, so that an attribute that nobody in a batch has stays out of it.
    scale = variance + 0.1 * ops.mean(variance) + 1e-9
    return ops.mean(ops.square(guesses - truth) / scale)
