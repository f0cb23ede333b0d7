import keras
import numpy as np
import pytest
import tensorflow as tf

from cvae.nn.optimizers import Adam


def build_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def train(model, optimizer):
    rng = np.random.default_rng(0)
    model.compile(optimizer, model.loss)
    model.fit(rng.normal(size=(60, 4)), rng.integers(0, 3, 60), batch_size=10, epochs=3, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"beta_1": 0.0, "epsilon": 1e-3},
        {"amsgrad": True},
        {"clipnorm": 0.01},
        {"weight_decay": 0.1},
        {"use_ema": True, "ema_overwrite_frequency": 4},
        {"gradient_accumulation_steps": 2},
    ],
)
def test_updates_as_keras_does(arguments):
    ours = train(build_model(), Adam(1e-2, **arguments))
    theirs = train(build_model(), keras.optimizers.Adam(1e-2, **arguments))
    ours_saved = ours.optimizer._saved_variables()
    for left, right in zip(ours.weights + ours_saved, theirs.weights + theirs.optimizer.variables, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-7)


def test_a_schedule_is_followed():
    optimizers = [kind(keras.optimizers.schedules.CosineDecay(1e-2, 18)) for kind in (Adam, keras.optimizers.Adam)]
    ours, theirs = (train(build_model(), optimizer) for optimizer in optimizers)
    for left, right in zip(ours.weights, theirs.weights):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-7)


def test_rows_that_a_batch_uses_twice_get_one_gradient():
    sparse, dense = keras.Variable(np.ones((3, 2))), keras.Variable(np.ones((3, 2)))
    values = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    slices = tf.IndexedSlices(tf.constant(values), tf.constant([0, 2, 0]), tf.constant([3, 2]))
    for variable, gradient in ((sparse, slices), (dense, tf.constant([[6, 8], [0, 0], [3, 4.0]]))):
        Adam(1e-2).apply([gradient], [variable])
    np.testing.assert_allclose(sparse, dense, rtol=1e-6)


def test_a_saved_optimizer_goes_on_where_it_was(tmp_path):
    model = train(build_model(), Adam(1e-2))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is Adam
    for left, right in zip(train(model, model.optimizer).weights, train(loaded, loaded.optimizer).weights):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-7)


def test_it_tells_the_mean_norm_of_gradients_before_they_are_clipped():
    variable, optimizer = keras.Variable(np.zeros(2)), Adam(1e-2, clipnorm=0.1)
    for gradient in ([3, 4], [6, 8]):
        optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
    assert optimizer.mean_gradient_norm() == pytest.approx(7.5)
    optimizer.reset_gradient_norm()
    assert optimizer.mean_gradient_norm() == 0


def test_a_file_without_its_state_loads_as_keras_does(tmp_path):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    model.compile(Adam(0.1), loss="mse")
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="variables of the optimiser"):
        loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert int(loaded.optimizer.iterations) == 1
