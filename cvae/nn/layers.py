"""Layers that Keras has, faster or shorter."""

from typing import Any

import keras
from keras import layers, ops

from cvae.nn import replicas
from preprocess.utils.types import Tensor


@keras.saving.register_keras_serializable("cvae")
class BatchNormalization(layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, with TensorFlow's fused kernel in training on images.

    Keras 3 writes batch normalisation out in about fifteen passes over the activations, a third of a whole training
    step of the CVAE in bfloat16 on a CPU; the fused kernel is one. Weights and results are the same (see the tests).
    """

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        # Over the whole batch, wherever its parts are.
        self.synchronized = replicas.several()
        plain = self.axis in (-1, 3) and self.center and self.scale and not self.synchronized and mask is None
        on_images = len(inputs.shape) == 4 and not getattr(self, "renorm", False)
        if not (keras.backend.backend() == "tensorflow" and training and self.trainable and plain and on_images):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel gives the sample's variance; Keras keeps the population's.
        count = ops.cast(ops.prod(ops.shape(inputs)[:-1]), "float32")
        variance = variance * (count - 1) / count
        momentum = self.momentum
        self.moving_mean.assign(self.moving_mean * momentum + mean * (1 - momentum))
        self.moving_variance.assign(self.moving_variance * momentum + variance * (1 - momentum))
        return outputs


@keras.saving.register_keras_serializable("cvae")
class Embedding(layers.Embedding):
    """`keras.layers.Embedding` of a few numbers, by one product, whose gradient is a matrix as all others are.

    Keras' own has a list of rows on TensorFlow, and where one number comes twice in a batch the last row alone tells
    Keras' loss scaling whether all are finite: in float16 an infinite one got into the weights.
    """

    def call(self, inputs: Tensor) -> Tensor:
        return ops.matmul(ops.one_hot(inputs, self.input_dim, dtype=self.compute_dtype), self.embeddings)


@keras.saving.register_keras_serializable("cvae")
class Dropout(layers.Dropout):
    """`keras.layers.Dropout`, the same on any number of replicas."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return replicas.dropout(inputs, self.rate, self.seed_generator) if training and self.rate > 0 else inputs


@keras.saving.register_keras_serializable("cvae")
class Sampling(layers.Layer):
    """Draws z = mean + exp(log_var / 2) * noise, in float32 (the reparametrisation of Kingma and Welling 2013)."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, mean: Tensor, log_var: Tensor) -> Tensor:
        return mean + ops.exp(0.5 * log_var) * self._noise(ops.shape(mean))

    def _noise(self, shape):
        return replicas.normal(shape, self.seed_generator)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"seed": self.seed}


@keras.saving.register_keras_serializable("cvae")
class UniformSampling(Sampling):
    """`Sampling` with noise uniform in [0, 1), as the original CLIP-VAE draws it, against the evidence bound."""

    def _noise(self, shape):
        return replicas.uniform(shape, self.seed_generator)
