"""Pictures on a notebook's page, as JPEGs, so that a notebook stays small."""

import io
import pathlib
import tempfile

import numpy as np

SHOWN_WIDTH = 760


def show(picture, width=SHOWN_WIDTH):
    """Shows a picture in the notebook as a JPEG of at most `width` pixels: an image's path, or a uint8 array."""
    from IPython.display import Image as Shown
    from IPython.display import display
    from PIL import Image

    image = Image.open(picture) if isinstance(picture, (str, pathlib.Path)) else Image.fromarray(picture)
    image = image.convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    display(Shown(buffer.getvalue(), format="jpeg"))


def _show_saved(save, *arguments, width=SHOWN_WIDTH):
    with tempfile.TemporaryDirectory() as folder:
        save(pathlib.Path(folder) / "picture.png", *arguments)
        show(pathlib.Path(folder) / "picture.png", width)


def show_grid(rows, labels):
    """Shows one labelled row of pictures for each of `rows`; see `cvae.plots.save_grid`."""
    from cvae.plots import save_grid

    _show_saved(save_grid, [np.asarray(row) for row in rows], labels)


def show_sheet(images, captions):
    """Shows uint8 images with their captions; see `cvae.plots.save_sheet`."""
    from cvae.plots import save_sheet

    _show_saved(save_sheet, [image / np.float32(255) for image in images], captions)


def show_matrix(matrix):
    """Shows the cosines of images and captions."""
    from cvae.plots import save_matrix

    _show_saved(save_matrix, matrix, "image", "caption", width=420)


def show_tiles(pictures):
    """Shows pictures (rows, columns, height, width, channels) in [0, 1] as one sheet without gaps, twice their size."""
    from cvae.plots import to_uint8

    sheet = np.concatenate(np.concatenate(np.asarray(pictures), axis=1), axis=1)
    sheet = to_uint8(np.repeat(np.repeat(sheet, 2, 0), 2, 1))
    show(np.repeat(sheet, 3, 2) if sheet.shape[2] == 1 else sheet)


def show_map(places, labels, marks, names):
    """Shows latents on a plane; see `cvae.plots.save_map`."""
    from cvae.plots import save_map

    _show_saved(save_map, places, labels, marks, names)


def show_epoch(run):
    """Replaces a cell's output by a run's newest sample grid and its curves."""
    from IPython.display import clear_output

    clear_output(wait=True)
    for grid in sorted((pathlib.Path(run) / "samples").glob("epoch-*.png"))[-1:]:
        show(grid)
    show(pathlib.Path(run) / "loss.png")
