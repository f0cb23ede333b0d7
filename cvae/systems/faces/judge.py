"""A classifier of CelebA's attributes, which says what a drawn portrait shows; its features measure realism.

It learns from the validation portraits, which no model was trained on, so that the models' own training portraits are
new to it: on those it is measured, and they are what pictures are compared with.
"""

import functools
import pathlib
from typing import Any

import numpy as np

from cvae.systems.faces.portraits import IMAGE_SIZE, read_portraits
from cvae.training.fit_once import fit_under_bar, load_or_train
from preprocess.celeba.attributes import ATTRIBUTES, HAIR_COLOURS
from preprocess.shards.info import DataInfo
from preprocess.utils.datasets import in_parts, streamed
from preprocess.utils.quiet import import_keras
from preprocess.utils.types import PathLike

# The attributes that are judged: well visible at 64 px.
JUDGED = (
    *("Male", "Young", *HAIR_COLOURS, "Bald", "Bangs", "Wearing_Hat", "Eyeglasses", "Smiling"),
    *("Mouth_Slightly_Open", "No_Beard", "Heavy_Makeup", "Wearing_Lipstick"),
)
JUDGED_PLACES = [ATTRIBUTES.index(name) for name in JUDGED]
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 64, 2e-3, 1e-3
# Steps, which is what 2,000 portraits need, within bounds of the epochs; and portraits at most.
STEPS, MIN_EPOCHS, MAX_EPOCHS, MAX_PORTRAITS = 1200, 4, 60, 10_000
SEED = 1


def build_judge() -> Any:
    """A convolutional network: float32 (n, 64, 64, 3) in [0, 1] to [logits (n, 40), features (n, 128)]."""
    keras = import_keras()
    from cvae.nn.layers import BatchNormalization

    layers = keras.layers
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    x = layers.Rescaling(2, -1)(layers.RandomFlip("horizontal", seed=SEED)(image))
    x = layers.GaussianNoise(0.08, seed=SEED)(x)
    for channels in (32, 64, 96, 128):
        x = layers.Conv2D(channels, 3, strides=2, padding="same", use_bias=False)(x)
        # A short memory, since training is short.
        x = layers.ReLU()(BatchNormalization(momentum=0.9)(x))
    x = layers.Dropout(0.5, seed=SEED)(layers.Flatten()(x))
    features = layers.Dense(128, activation="relu")(x)
    return keras.Model(image, [layers.Dense(len(ATTRIBUTES))(features), features])


def _softened(images, seed):
    """Copies of uint8 images as soft as a VAE's pictures can be: blurred by up to 1.5 pixels."""
    from PIL import Image, ImageFilter

    radii = np.random.default_rng(seed).uniform(0.5, 1.5, len(images))
    blurred = [Image.fromarray(image).filter(ImageFilter.GaussianBlur(r)) for image, r in zip(images, radii.tolist())]
    return np.stack([np.asarray(image) for image in blurred])


def _weighted_cross_entropy(shares):
    """A loss for which the rarer of an attribute's two values counts as much in all as the other one."""
    ops = import_keras().ops
    shares = np.clip(shares, 0.01, 0.99).astype(np.float32)

    def loss(attributes, logits):
        weights = ops.where(attributes > 0, 0.5 / shares, 0.5 / (1 - shares))
        return ops.mean(weights * (ops.softplus(logits) - attributes * logits), axis=-1)

    return loss


def _batches(images, attributes, epochs):
    """Yields (float32 images in [0, 1], attributes), each epoch in another order."""
    rng = np.random.default_rng(SEED)
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(order), BATCH_SIZE):
            chosen = order[start : start + BATCH_SIZE]
            yield images[chosen] / np.float32(255), attributes[chosen]


def train_judge(info: DataInfo, folder: PathLike) -> Any:
    """Trains the classifier on a data set's validation portraits, or loads the one that was trained on them before.

    Args:
        info: a `preprocess.shards.info.DataInfo`. folder: where the weights are kept, by the data's fingerprint.

    Returns:
        The classifier.
    """
    import_keras().utils.set_random_seed(SEED)
    judge = build_judge()
    path = pathlib.Path(folder) / f"judge-{info.settings['photos'][:8]}.weights.h5"
    load_or_train(judge, path, lambda: _fit(judge, read_portraits(info, "val", MAX_PORTRAITS)))
    return judge


def _fit(judge, portraits):
    keras = import_keras()
    images = np.concatenate([portraits.images, _softened(portraits.images, SEED)])
    attributes = np.concatenate([portraits.attributes] * 2)
    steps = -(-len(images) // BATCH_SIZE)
    epochs = min(MAX_EPOCHS, max(MIN_EPOCHS, -(-STEPS // steps)))
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * steps)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=WEIGHT_DECAY)
    # Of the features there is nothing to learn by themselves.
    judge.compile(optimizer, [_weighted_cross_entropy(portraits.attributes.mean(0)), None])
    # All as one epoch, since a judge has nothing to be validated by.
    batches, steps = functools.partial(_batches, images, attributes, epochs), epochs * steps
    fit_under_bar("the judge", judge, streamed(batches), steps=steps, steps_per_epoch=steps, shuffle=False)


def see(judge: Any, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the judge sees in images float32 (n, 64, 64, 3) in [0, 1].

    Returns:
        (float32 (n, 40), logits for whom either value of an attribute is as likely: it is seen where positive; float32
        (n, 128), features).
    """
    return judge.predict(in_parts(images, 256), verbose=0)


def guess(judge: Any, images: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The attributes that images most probably have, float32 (n, 40) of 0 and 1, with one colour of the hair at most.

    Args:
        judge, images: see `see`.
        shares: (40,), how many have each: what few have needs clear signs.
    """
    shares = np.clip(shares, 1e-3, 1 - 1e-3)
    logits = see(judge, images)[0] + np.log(shares / (1 - shares))
    colours = [ATTRIBUTES.index(name) for name in HAIR_COLOURS]
    lesser = logits[:, colours] < logits[:, colours].max(1, keepdims=True)
    logits[:, colours] = np.where(lesser, -np.inf, logits[:, colours])
    return (logits > 0).astype(np.float32)


def balanced_accuracy(seen: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """How often each attribute is seen as asked: the mean of its share among those with and those without it.

    So an attribute that few portraits have is no easier than another: who always says no gets 0.5.

    Args:
        seen: bool (n, a). asked: (n, a), 0 or 1.

    Returns:
        float64 (a,); not a number where all are asked with it, or all without.
    """
    asked = np.asarray(asked) > 0
    right = np.asarray(seen) == asked
    with np.errstate(invalid="ignore"):
        return 0.5 * (np.sum(right & asked, 0) / asked.sum(0) + np.sum(right & ~asked, 0) / (~asked).sum(0))
