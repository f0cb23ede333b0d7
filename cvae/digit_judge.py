"""An independent classifier of digits, which says what a drawn one shows; it has no part in training the models."""

import numpy as np
from tqdm import tqdm

from preprocess.files import atomic_path
from preprocess.quiet import import_keras

EPOCHS, BATCH_SIZE, LEARNING_RATE = 6, 128, 2e-3
SEED = 1


def build_judge():
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


def train_judge(digits, path):
    """Trains the classifier on a `preprocess.mnist.Digits`, or loads the one that was trained at `path` before.

    Returns:
        (classifier, its accuracy on the test images).
    """
    keras = import_keras()
    from cvae.optimizers import Adam

    keras.utils.set_random_seed(SEED)
    judge = build_judge()
    judge.compile(Adam(LEARNING_RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    if path.is_file():
        judge.load_weights(path)
    else:
        images, labels = digits.images["train"] / np.float32(255), digits.labels["train"]
        steps = EPOCHS * -(-len(images) // BATCH_SIZE)
        with tqdm(total=steps, desc="training the judge", unit="step") as bar:
            step = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: bar.update())
            judge.fit(images, labels, BATCH_SIZE, EPOCHS, verbose=0, callbacks=[step])
        with atomic_path(path) as partial:
            judge.save_weights(partial)
    right = classify(judge, digits.images["test"] / np.float32(255)).argmax(1) == digits.labels["test"]
    return judge, float(right.mean())


def classify(judge, images):
    """What the classifier sees in images float32 (n, 28, 28, 1): probabilities float64 (n, 10)."""
    logits = np.asarray(judge.predict(images, batch_size=500, verbose=0), np.float64)
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)
