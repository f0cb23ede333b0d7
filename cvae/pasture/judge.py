"""How often pictures show what a pasture prompt asks for, judged by a classifier that no model was trained with.

`python -m cvae.pasture.judge` trains the classifier on freshly drawn scenes, about two minutes on two cores.
"""

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from cvae.keras_files import load_weights
from preprocess.pasture.samples import draw_samples
from preprocess.pasture.scenes import ATTRIBUTES, HELD_OUT
from preprocess.utils.command import run_command
from preprocess.utils.datasets import in_parts
from preprocess.utils.errors import summary
from preprocess.utils.files import atomic_path
from preprocess.utils.quiet import import_keras

CHECKPOINT = pathlib.Path(__file__).with_name("judge.weights.h5")
SIZE = 64
# What a prompt of the gallery names, and so what is judged.
JUDGED = ("animal", "coat", "ground", "sky")

_GROUND = {
    "grass": "on green grass",
    "snow": "in the snow",
    "straw": "on dry straw",
    "hills": "on green hills",
}
_SKY = {"blue": "under a blue sky", "grey": "under a grey sky", "sunset": "under a red sunset sky"}


def gallery_prompts() -> list[tuple[str, dict[str, str]]]:
    """[(prompt, {attribute: value})] for the combinations that no data set of scenes holds, in its captions' words."""
    return [
        (
            f"A {coat} {animal} {_GROUND[ground]} {_SKY[sky]}",
            {"animal": animal, "coat": coat, "ground": ground, "sky": sky},
        )
        for animal, coat, ground, sky in sorted(HELD_OUT)
    ]


def build_judge() -> Any:
    """A small convolutional network from (n, 64, 64, 3) in [0, 1] to a softmax for every attribute."""
    keras = import_keras()
    from cvae.nn.layers import BatchNormalization

    layers = keras.layers
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.GaussianNoise(0.03)(image)
    for channels in (32, 64, 96, 128):
        x = layers.Conv2D(channels, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(BatchNormalization()(x))
    x = layers.Dropout(0.2)(layers.Flatten()(layers.AveragePooling2D(2)(x)))
    x = layers.Dense(128, activation="relu")(x)
    outputs = {name: layers.Dense(len(values), "softmax", name=name)(x) for name, values in ATTRIBUTES.items()}
    return keras.Model(image, outputs)


def _blur(rng, image):
    """A uint8 image as an array, three times of four as soft as a VAE's pictures can be: blurred by up to 3 pixels."""
    if rng.random() >= 0.75:
        return image
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3))))


def train_judge(scenes: int = 8000, epochs: int = 10, seed: int = 100) -> tuple[Any, dict[str, float]]:
    """Trains the classifier. Returns it and its accuracy an attribute on 1,000 scenes that it has not seen."""
    keras = import_keras()
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    images, labels = draw_samples(scenes, seed, SIZE)
    images = np.array([_blur(rng, image) for image in images], np.float32) / 255
    judge = build_judge()
    steps = epochs * (scenes // 64)
    judge.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-3, steps), weight_decay=1e-3),
        loss={name: "sparse_categorical_crossentropy" for name in ATTRIBUTES},
    )
    targets = {name: labels[:, column] for column, name in enumerate(ATTRIBUTES)}
    judge.fit(images, targets, batch_size=64, epochs=epochs, verbose=2)
    return judge, judge_accuracy(judge, 1000, seed + 1)


def load_judge() -> Any:
    """The classifier that comes with the project."""
    judge = build_judge()
    load_weights(judge, CHECKPOINT, "install the package again")
    return judge


def see(judge: Any, images: np.ndarray) -> dict[str, list[str]]:
    """What the judge sees: {attribute: [values]} for float images (n, side, side, 3) in [0, 1]."""
    if images.shape[1] != SIZE:
        images = np.asarray(import_keras().ops.image.resize(images, (SIZE, SIZE), antialias=True))
    answers = judge.predict(in_parts(images, 64), verbose=0)
    return {name: [values[index] for index in answers[name].argmax(-1)] for name, values in ATTRIBUTES.items()}


def judge_accuracy(judge: Any, count: int, seed: int) -> dict[str, float]:
    """The judge's accuracy an attribute on freshly drawn scenes."""
    images, labels = draw_samples(count, seed, SIZE, "drawing scenes to check the judge")
    seen = see(judge, images.astype(np.float32) / 255)
    return {
        name: float(np.mean([value == values[row] for value, row in zip(seen[name], labels[:, column])]))
        for column, (name, values) in enumerate(ATTRIBUTES.items())
    }


def score(judge: Any, pictures: np.ndarray, expected: Sequence[dict[str, str]]) -> np.ndarray:
    """The share of pictures that show what was asked for.

    Args:
        judge: of `load_judge`.
        pictures: float (prompts, count, side, side, 3) in [0, 1].
        expected: one {attribute: value} a prompt.

    Returns:
        bool (prompts, count, attributes), attributes in the order of `JUDGED`.
    """
    count = pictures.shape[1]
    seen = see(judge, pictures.reshape(-1, *pictures.shape[2:]))
    right = [
        [[seen[name][row * count + column] == wanted[name] for name in JUDGED] for column in range(count)]
        for row, wanted in enumerate(expected)
    ]
    return np.array(right)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cvae.pasture.judge", description=summary(__doc__))
    parser.add_argument("--out", default=str(CHECKPOINT), help="weights to write (default: %(default)s)")
    arguments = parser.parse_args()
    judge, accuracy = train_judge()
    # Rebuilt, since the optimiser's state would be saved too, twice the size of the weights.
    plain = build_judge()
    plain.set_weights(judge.get_weights())
    with atomic_path(arguments.out) as partial:
        plain.save_weights(partial)
    parts = ", ".join(f"{name} {value:.1%}" for name, value in accuracy.items())
    print(f"Saved {arguments.out}: right on 1,000 new scenes for {parts}.")


if __name__ == "__main__":
    run_command(main)
