"""Pictures on a notebook's page, as JPEGs, so that a notebook stays small."""

import io
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from cvae.utils.arrays import to_uint8
from cvae.utils.plots import save_grid, save_map, save_matrix, save_sheet
from preprocess.shards.images import read_image
from preprocess.utils.types import PathLike

SHOWN_WIDTH = 760


def show(picture: Any, width: float = SHOWN_WIDTH) -> None:
    """Shows a picture in the notebook as a JPEG of at most `width` pixels: an image, its path, or a uint8 array."""
    from IPython.display import Image as Shown
    from IPython.display import display
    from PIL import Image

    if isinstance(picture, (str, pathlib.Path)):
        image = read_image(picture)
    else:
        image = (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    display(Shown(buffer.getvalue(), format="jpeg"))


def _show_saved(save, *arguments, width=SHOWN_WIDTH):
    with tempfile.TemporaryDirectory() as folder:
        save(pathlib.Path(folder) / "picture.png", *arguments)
        show(pathlib.Path(folder) / "picture.png", width)


def show_grid(rows: Any, labels: np.ndarray) -> None:
    """Shows one labelled row of pictures for each of `rows`; see `cvae.utils.plots.save_grid`."""
    _show_saved(save_grid, [np.asarray(row) for row in rows], labels)


def show_sheet(images: Any, captions: Any) -> None:
    """Shows uint8 images with their captions; see `cvae.utils.plots.save_sheet`."""
    _show_saved(save_sheet, [image / np.float32(255) for image in images], captions)


def show_matrix(matrix: np.ndarray) -> None:
    """Shows the cosines of images and captions."""
    _show_saved(save_matrix, matrix, "image", "caption", width=420)


def show_tiles(pictures: Any) -> None:
    """Shows pictures (rows, columns, height, width, channels) in [0, 1] as one sheet without gaps, twice their size."""
    sheet = np.concatenate(np.concatenate(np.asarray(pictures), axis=1), axis=1)
    sheet = to_uint8(np.repeat(np.repeat(sheet, 2, 0), 2, 1))
    show(np.repeat(sheet, 3, 2) if sheet.shape[2] == 1 else sheet)


def show_map(places: np.ndarray, labels: np.ndarray, marks: np.ndarray, names: Sequence[str]) -> None:
    """Shows latents on a plane; see `cvae.utils.plots.save_map`."""
    _show_saved(save_map, places, labels, marks, names)


def show_epoch(run: PathLike) -> None:
    """Replaces a cell's output by a run's newest sample grid and its curves."""
    from IPython.display import clear_output

    clear_output(wait=True)
    for grid in sorted((pathlib.Path(run) / "samples").glob("epoch-*.png"))[-1:]:
        show(grid)
    show(pathlib.Path(run) / "loss.png")
