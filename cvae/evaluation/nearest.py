"""The training images that pictures come nearest to: nobody should get a photograph that was trained on."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from cvae.evaluation.held_out import read_held_out
from cvae.evaluation.photos import data_to_measure, reconstruct
from cvae.evaluation.report import Report
from cvae.runs import Run
from cvae.sampling.draw import embed_images, noise_of
from cvae.utils.arrays import in_batches, to_uint8
from cvae.utils.plots import save_grid
from preprocess.shards.images import read_square
from preprocess.shards.info import DataInfo
from preprocess.shards.records import embeddings_of, image_of, read_shard
from preprocess.utils.files import next_folder, write_json
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_tensorflow

# Pixels a side at which images are compared: what stands where, and not each blade of grass.
COMPARED = 16
# Pictures in the figure.
SHOWN = 8
SPACES = {"encoder": "by the encoder", "pixels": "by pixels"}


@dataclasses.dataclass(frozen=True)
class Nearest:
    """Of n pictures.

    Attributes:
        distances: float32 (n,), to the nearest training image: 1 - cosine of embeddings, or the root of the mean
            squared difference of pixels in [0, 1].
        images: uint8 (n, size, size, 3), those training images.
    """

    distances: np.ndarray
    images: np.ndarray


def find_nearest(info: DataInfo, size: int, embeddings: np.ndarray, pictures: np.ndarray) -> dict[str, Nearest]:
    """The nearest training images of pictures.

    Args:
        info: the training data. size: pixels a side of the images that are returned.
        embeddings: float32 (n, d), of the pictures. pictures: float32 (n, side, side, 3) in [0, 1].

    Returns:
        {"encoder", "pixels"}: `Nearest`. By pixels mirror images count too.
    """
    import_tensorflow()
    count = len(pictures)
    flat = _flat(pictures)
    found = {name: Nearest(np.full(count, np.inf), np.zeros((count, size, size, 3), np.uint8)) for name in SPACES}
    for shard in progress_bar(info.paths("train"), desc="comparing", unit="shard"):
        examples = list(read_shard(shard))
        images = np.stack([image_of(example, size) for example in examples])
        own = np.stack([embeddings_of(example)[0] for example in examples])
        scaled = images / np.float32(255)
        both = [_squared_distances(flat, _flat(view)) for view in (scaled, scaled[:, :, ::-1])]
        _improve(found["encoder"], 1 - embeddings @ own.T, images)
        _improve(found["pixels"], np.sqrt(np.minimum(*both) / flat.shape[1]), images)
    return found


def _flat(images):
    """Images at the size at which they are compared, float32 (n, 768)."""
    part = images.shape[1] // COMPARED
    small = images.reshape(len(images), COMPARED, part, COMPARED, part, 3).mean((2, 4))
    return small.reshape(len(images), -1)


def _squared_distances(rows, others):
    products = rows @ others.T
    return np.maximum(0, (rows**2).sum(1)[:, None] - 2 * products + (others**2).sum(1))


def _improve(nearest, distances, images):
    rows = np.arange(len(distances))
    best = distances.argmin(1)
    nearer = distances[rows, best] < nearest.distances
    nearest.distances[nearer] = distances[rows, best][nearer]
    nearest.images[nearer] = images[best[nearer]]


def share_nearer(pictures: np.ndarray, held_out: np.ndarray) -> float:
    """In how many pairs of a picture and a held-out image the picture lies nearer to a training image: 0.5 for equal.

    Args:
        pictures, held_out: float32 (n,) and (m,), distances to the nearest training image.
    """
    nearer = np.mean(pictures[:, None] < held_out)
    return float(nearer + np.mean(pictures[:, None] == held_out) / 2)


def nearest(
    run: Run, images: Sequence[str] = (), data: str | None = None, count: int = 200, seed: int = 0,
    clip: str | None = None,
) -> Report:  # fmt: skip
    """Shows the training images that pictures come nearest to, and counts how often they come nearer than new images.

    Held-out images, which nobody trained on, come as near as chance brings them: of pictures that are new in the same
    way half lie nearer. They are seen through the model's own encoder and decoder, so that blur counts for neither.

    Args:
        run: the run. images: files of pictures; by default `count` are drawn, of captions of held-out images.
        data: what it was trained on, if that has moved. count: held-out images, and pictures to draw, at most.
        seed: of what is drawn. clip: the encoder, if it has moved.

    Returns:
        A report on {"encoder", "pixels"}: {"share", "median", "held_out_median"}, and on "pictures" and "held_out", how
        many there were. Beside it nearest.png, with its pictures' nearest training images.

    Raises:
        UserError: see `cvae.evaluation.photos.data_to_measure`; a file that is no image.
    """
    info = data_to_measure(run, data, count, seed)
    size = run.variant.image_size
    given = [np.asarray(read_square(path, size)) for path in images]
    model = run.model()
    held_out = read_held_out(info, size, count)
    if given:
        pictures = np.stack(given) / np.float32(255)
    else:
        pictures = in_batches(model.draw, noise_of(model, len(held_out.texts), seed), held_out.texts)
    own = held_out.conditions(run.variant.condition)
    seen = reconstruct(model, held_out.images / np.float32(255), own)
    with run.encoder.open(clip) as encoder, progress_bar(total=len(pictures) + len(seen), desc="embedding") as bar:
        embeddings = embed_images(to_uint8(pictures), encoder, bar.update)
        others = embed_images(to_uint8(seen), encoder, bar.update)
    found = find_nearest(info, size, np.concatenate([embeddings, others]), np.concatenate([pictures, seen]))
    figures: dict[str, Any] = {"pictures": len(pictures), "held_out": len(seen), "variant": run.variant_name}
    for name, near in found.items():
        drawn, new = np.split(near.distances, [len(pictures)])
        medians = {"median": float(np.median(drawn)), "held_out_median": float(np.median(new))}
        figures[name] = {"share": share_nearer(drawn, new), **medians}
    text = format_nearest(figures)
    folder = next_folder(run.output / "nearest")
    _paint(folder / "nearest.png", pictures, found, text)
    write_json(folder / "nearest.json", figures)
    return Report(figures, text, f"{folder}/nearest.png and nearest.json")


def _paint(path, pictures, found, notes):
    shown = min(SHOWN, len(pictures))
    columns = [to_uint8(pictures[:shown]), *(near.images[:shown] for near in found.values())]
    labels = [" and ".join(f"{near.distances[row]:.3f}" for near in found.values()) for row in range(shown)]
    headings = ["picture", *(f"nearest {how}" for how in SPACES.values())]
    save_grid(path, np.stack(columns, axis=1), labels, notes=notes, headings=headings)


def format_nearest(figures: dict[str, Any]) -> str:
    """The figures of `nearest` as lines of text."""
    lines = [
        f"{figures['pictures']} pictures beside {figures['held_out']} held-out images: in how many pairs the picture "
        "is nearer to a training image (0.5 where it is as new)"
    ]
    for name, how in SPACES.items():
        row = figures[name]
        lines.append(
            f"{how:<15} {row['share']:.2f} (median distance {row['median']:.3f}, held-out images "
            f"{row['held_out_median']:.3f})"
        )
    return "\n".join(lines)
