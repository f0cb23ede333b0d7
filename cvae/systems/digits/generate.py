"""From labels to pictures of digits, and back."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cvae.runs import Run
from cvae.sampling.options import MANY
from cvae.sampling.pictures import Pictures
from cvae.utils.arrays import in_batches, slerp
from preprocess.mnist import IMAGE_SIZE, LABELS
from preprocess.utils.errors import UserError, check_whole

PROMPTS = tuple(map(str, range(LABELS)))


def draw_labels(model: Any, labels: Iterable[int], count: int, seed: int) -> np.ndarray:
    """Draws `count` pictures for each label, from latents drawn from the label's posterior as in training.

    The noise depends on the seed and on the picture's number alone.

    Args:
        model: a `cvae.systems.digits.model.ClipVAE`.
        labels: ints from 0 to 9.
        count: pictures a label.
        seed: of the noise.

    Returns:
        float32 (labels, count, 28, 28, 1) in [0, 1].
    """
    mean, log_var = (np.asarray(part) for part in model.encode_label(np.array(list(labels), np.int32)))
    noise = model.noise((count, model.latent_dim), seed)
    z = mean[:, None] + np.exp(0.5 * log_var)[:, None] * noise
    pictures = in_batches(model.decode_image, z.reshape(-1, model.latent_dim))
    return pictures.reshape(len(mean), count, *pictures.shape[1:])


def draw_noise(model: Any, count: int, seed: int) -> np.ndarray:
    """Draws pictures float32 (count, 28, 28, 1) in [0, 1] from Gaussian noise."""
    z = np.random.default_rng(seed).standard_normal((count, model.latent_dim)).astype(np.float32)
    return in_batches(model.decode_image, z)


def interpolate_labels(model: Any, corners: Sequence[int], size: int = 10) -> np.ndarray:
    """A sheet of pictures between four labels, along the sphere, from the means of their latents.

    Args:
        model: a `cvae.systems.digits.model.ClipVAE`.
        corners: four labels: top left, top right, bottom left, bottom right.
        size: pictures a side.

    Returns:
        float32 (size, size, 28, 28, 1) in [0, 1].
    """
    top_left, top_right, bottom_left, bottom_right = np.asarray(model.encode_label(np.array(corners, np.int32))[0])
    lefts, rights = slerp(top_left, bottom_left, size), slerp(top_right, bottom_right, size)
    z = np.concatenate([slerp(left, right, size) for left, right in zip(lefts, rights)])
    pictures = np.asarray(model.decode_image(z))
    return pictures.reshape(size, size, *pictures.shape[1:])


def draw_strokes(strokes: Sequence[Sequence[Sequence[float]]]) -> np.ndarray:
    """A digit drawn by hand, as MNIST has them: strokes 2 to 3 px wide, scaled to 20 px, its mass in the middle.

    Args:
        strokes: lists of (x, y), in any unit, y downwards.

    Returns:
        float32 (28, 28, 1) in [0, 1].

    Raises:
        UserError: there is nothing to draw.
    """
    from PIL import Image, ImageDraw

    points = np.array([point for stroke in strokes for point in stroke], np.float64)
    if len(points) < 2 or np.ptp(points, axis=0).max() == 0:
        raise UserError("that is one point alone; draw a digit.")
    # Eight times as large, then resized: smooth edges.
    scale = 8 * 18 / np.ptp(points, axis=0).max()
    middle = (points.max(0) + points.min(0)) / 2
    canvas = Image.new("L", (8 * IMAGE_SIZE, 8 * IMAGE_SIZE))
    pen = ImageDraw.Draw(canvas)
    for stroke in strokes:
        path = [tuple((np.array(point) - middle) * scale + 4 * IMAGE_SIZE) for point in stroke]
        pen.line(path, fill=255, width=18, joint="curve")
        for x, y in path:
            pen.ellipse((x - 9, y - 9, x + 9, y + 9), fill=255)
    image = np.asarray(canvas.resize((IMAGE_SIZE, IMAGE_SIZE), Image.BOX), np.float32) / 255
    mass = [np.average(np.arange(IMAGE_SIZE), weights=image.sum(axis)) for axis in (1, 0)]
    shift = [round((IMAGE_SIZE - 1) / 2 - place) for place in mass]
    return _shifted(image, *shift)[..., None]


def _shifted(image, down, right):
    """An image (h, w) moved by whole pixels; what leaves it is lost, what comes in is black."""
    margin = max(abs(down), abs(right))
    rows, columns = (slice(margin - move, margin - move + size) for move, size in zip((down, right), image.shape))
    return np.pad(image, margin)[rows, columns]


def map_latents(images_z: np.ndarray, labels_z: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places latents of images (n, d) and of labels (m, d) on a plane by their cosines (van der Maaten 2008).

    Returns:
        (float32 (n, 2), float32 (m, 2)), by scikit-learn's t-SNE.
    """
    from sklearn.manifold import TSNE

    latents = np.concatenate([images_z, labels_z])
    places = TSNE(metric="cosine", init="random", random_state=seed).fit_transform(latents)
    return places[: len(images_z)], places[len(images_z) :]


def nearest_labels(latents: np.ndarray, label_latents: np.ndarray) -> np.ndarray:
    """The labels whose latents (10, d) have the largest cosines with latents (n, d): int (n,)."""
    latents, label_latents = (
        z / np.maximum(np.linalg.norm(z, axis=-1, keepdims=True), 1e-12) for z in (latents, label_latents)
    )
    return np.argmax(latents @ label_latents.T, axis=-1)


def check_labels(labels: Sequence[Any]) -> None:
    """Raises a UserError unless there are labels, all from 0 to 9."""
    if not labels or not all(isinstance(label, int) and 0 <= label < LABELS for label in labels):
        raise UserError("the labels to draw must be digits from 0 to 9, such as 3 7.")


def read_labels(text: str, count: int | None = None) -> list[int]:
    """The labels that a text such as "3, 7" names: ints from 0 to 9.

    Args:
        text: digits separated by commas or spaces.
        count: how many there must be, None for one or more.

    Raises:
        UserError: it names others.
    """
    parts = str(text).replace(",", " ").split()
    labels: list[Any] = [int(part) if part.isdecimal() else None for part in parts]
    if count and len(labels) != count:
        raise UserError(f"'{text}' must name {count} digits, such as 0, 1, 7, 4.")
    check_labels(labels)
    return labels


def generate(
    run: Run, prompts: Sequence[str], count: int = 4, seed: int = 0, labels: Sequence[str] | None = None
) -> Pictures:
    """Draws pictures of labels with a trained run.

    Args:
        run: the run. prompts, labels: digits from 0 to 9, the one or the other. count: pictures a label.
        seed: the same seed draws the same pictures.

    Raises:
        UserError: other labels or counts, or no model yet.
    """
    numbers = list(dict.fromkeys(read_labels(" ".join(map(str, [*prompts, *(labels or ())])))))
    check_whole("count", count, 1, MANY)
    check_whole("seed", seed, 0)
    names = [str(label) for label in numbers]
    return Pictures(draw_labels(run.model(), numbers, count, seed), names, names)
