import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.systems.digits.critic import DRAWN, LabelCritic

rng = np.random.default_rng(0)
IMAGES = rng.random((6, 28, 28, 1), np.float32)
LABELS = np.arange(6, dtype=np.int32)


@pytest.fixture
def critic():
    keras.utils.set_random_seed(0)
    return LabelCritic((2, 4))


def test_has_an_answer_a_label_and_one_for_what_was_drawn(critic):
    assert critic(IMAGES).shape == (6, DRAWN + 1)
    again = LabelCritic.from_config(critic.get_config())
    assert [tuple(weight.shape) for weight in again.weights] == [tuple(weight.shape) for weight in critic.weights]


def test_its_own_loss_moves_the_critic_alone_and_the_pictures_loss_the_pictures_alone(critic):
    pictures = tf.Variable(IMAGES)
    with tf.GradientTape(persistent=True) as tape:
        own, theirs = critic.judge(IMAGES, LABELS, pictures), critic.convince(pictures, LABELS)
    weights = [weight.value for weight in critic.trainable_variables]
    assert tape.gradient(own, pictures) is None
    assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(own, weights))
    assert all(gradient is None for gradient in tape.gradient(theirs, weights))
    assert np.abs(tape.gradient(theirs, pictures)).max() > 0


def test_learns_to_tell_labels_and_drawings(critic):
    drawn = 1 - IMAGES
    optimizer = keras.optimizers.Adam(1e-2)
    for _ in range(60):
        with tf.GradientTape() as tape:
            loss = critic.judge(IMAGES, LABELS, drawn)
        optimizer.apply(tape.gradient(loss, [w.value for w in critic.trainable_variables]), critic.trainable_variables)
    np.testing.assert_array_equal(np.argmax(critic(IMAGES), axis=1), LABELS)
    np.testing.assert_array_equal(np.argmax(critic(drawn), axis=1), np.full(6, DRAWN))
    assert float(critic.convince(IMAGES, LABELS)) < float(critic.convince(drawn, LABELS))
