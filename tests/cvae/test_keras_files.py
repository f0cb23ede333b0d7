import numpy as np

from cvae.keras_files import load_keras, save_in_half


def test_weights_that_float16_cannot_hold_stay_as_they_are(tmp_path):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()])
    # Measured in a model that was trained for long: 116,649.
    variance = np.array([116_649.0, 1.0])
    model.layers[-1].moving_variance.assign(variance)
    model.save(tmp_path / "full.keras")
    save_in_half(tmp_path / "full.keras", tmp_path / "half.keras")
    half = load_keras(tmp_path / "half.keras")
    np.testing.assert_allclose(half.layers[-1].moving_variance, variance)
    np.testing.assert_allclose(half.layers[0].kernel, model.layers[0].kernel, rtol=1e-3, atol=1e-4)
