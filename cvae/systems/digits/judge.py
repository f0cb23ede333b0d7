"""A classifier of digits, which says what a drawn one shows.

It learns from the same training images as the models, and has no part in their training; a model with a critic has been
taught by another classifier to be read.
"""

import pathlib
from typing import Any

import numpy as np

from cvae.training.fit_once import fit_under_bar, load_or_train
from preprocess.mnist import Digits
from preprocess.utils.datasets import in_parts
from preprocess.utils.quiet import import_keras

EPOCHS, BATCH_SIZE, LEARNING_RATE = 6, 128, 2e-3
SEED = 1


def build_judge() -> Any:
    """A convolutional network: float32 (n, 28, 28, 1) in [0, 1] to the logits (n, 10)."""
    keras = import_keras()
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10),
        ]
    )


def train_judge(digits: Digits, folder: pathlib.Path) -> tuple[Any, float]:
    """Trains the classifier on a `preprocess.mnist.Digits`, or loads the one that was trained on them before.

    Args:
        digits: what to learn from. folder: where the classifier's weights are kept, by the digits' checksum.

    Returns:
        (classifier, its accuracy on the test images).
    """
    import_keras().utils.set_random_seed(SEED)
    judge = build_judge()
    path = folder / f"judge-{digits.checksum()[:8]}.weights.h5"
    load_or_train(judge, path, lambda: _fit(judge, digits))
    right = classify(judge, digits.images["test"] / np.float32(255)).argmax(1) == digits.labels["test"]
    return judge, float(right.mean())


def _fit(judge, digits):
    keras = import_keras()
    from cvae.nn.optimizers import Adam

    images, labels = digits.images["train"] / np.float32(255), digits.labels["train"]
    judge.compile(Adam(LEARNING_RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    steps = EPOCHS * -(-len(images) // BATCH_SIZE)
    fit_under_bar("the judge", judge, images, labels, steps=steps, batch_size=BATCH_SIZE, epochs=EPOCHS)


def classify(judge: Any, images: np.ndarray) -> np.ndarray:
    """What the classifier sees in images float32 (n, 28, 28, 1): probabilities float64 (n, 10)."""
    logits = np.asarray(judge.predict(in_parts(images, 500), verbose=0), np.float64)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)
