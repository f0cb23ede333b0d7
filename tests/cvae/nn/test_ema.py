import keras
import numpy as np

from cvae.nn.ema import AverageWhenValidating, averaged_weights

X, Y = np.random.default_rng(0).random((8, 3), np.float32), np.ones((8, 2))


def trained(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1, **options), loss="mse")
    for _ in range(5):
        model.train_on_batch(X, Y)
    return model


def test_the_averages_take_the_weights_place_and_give_it_back():
    model = trained(use_ema=True, ema_momentum=0.9)
    before = model.get_weights()
    averages = [np.array(average) for average in model.optimizer._model_variables_moving_average]
    with averaged_weights(model):
        inside = model.get_weights()
    assert all(np.array_equal(*pair) for pair in zip(inside, averages))
    assert not np.array_equal(inside[0], before[0])
    assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), before))
    assert all(np.array_equal(*pair) for pair in zip(averages, model.optimizer._model_variables_moving_average))


def test_without_averages_nothing_happens():
    model = trained()
    before = model.get_weights()
    with averaged_weights(model):
        assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), before))


def test_validates_the_averages():
    model = trained(use_ema=True, ema_momentum=0.9)
    with averaged_weights(model):
        expected = model.evaluate(X, Y, verbose=0)
    validated = model.evaluate(X, Y, verbose=0, callbacks=[AverageWhenValidating()])
    assert validated == expected != model.evaluate(X, Y, verbose=0)
