import keras
import numpy as np
import pytest

from cvae.guesser import Guesser

rng = np.random.default_rng(0)
CONDITIONS = np.stack([rng.random(400) < 0.5, rng.random(400) < 0.1], 1).astype(np.float32)


class Fixed(keras.Model):
    """A guesser of latents that do not change."""

    def __init__(self):
        super().__init__()
        self.guesser = Guesser(3, 2)

    def call(self, inputs):
        return inputs[0]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return self.guesser.guess(*x)


def train(z):
    keras.utils.set_random_seed(0)
    model = Fixed()
    model.compile(keras.optimizers.Adam(3e-3))
    model.fit(x=(z, CONDITIONS), batch_size=400, epochs=300, verbose=0)
    return model.guesser


def test_tells_what_latents_give_away_and_what_not():
    told = np.concatenate([CONDITIONS + 0.1 * rng.standard_normal((400, 2)), np.zeros((400, 1))], 1).astype(np.float32)
    knowing = train(told)
    assert float(knowing.guess(told, CONDITIONS)) < 0.1
    assert 0.7 < float(knowing.betray(told, CONDITIONS)) < 1.1
    silent = rng.standard_normal((400, 3)).astype(np.float32)
    unknowing = train(silent)
    assert float(unknowing.betray(silent, CONDITIONS)) < 0.3


@pytest.mark.parametrize("loss, moves", [("guess", "guesser"), ("betray", "latents")])
def test_each_loss_moves_its_own_side_only(loss, moves):
    import tensorflow as tf

    guesser, z = Guesser(3, 2), tf.Variable(rng.standard_normal((8, 3)).astype(np.float32))
    with tf.GradientTape() as tape:
        value = getattr(guesser, loss)(z, CONDITIONS[:8])
    of_z, *of_guesser = tape.gradient(value, [z, *[weight.value for weight in guesser.trainable_variables]])
    assert (of_z is not None) == (moves == "latents")
    assert all((gradient is not None) == (moves == "guesser") for gradient in of_guesser)
