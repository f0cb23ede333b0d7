"""Pictures about pictures: labelled grids and loss curves."""

import base64
import contextlib
import io
import os
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cvae.utils.arrays import to_uint8
from preprocess.shards.decode import decode
from preprocess.utils.files import atomic_path
from preprocess.utils.types import PathLike

# Of grids: a picture with its margins and what stands left of a row, in inches; a margin as a share of the first.
CELL, LABEL, GAP = 1.35, 1.9, 0.02


# Dots an inch, and how many dots a side and a whole picture may have: Matplotlib draws no more, and nobody reads more.
DPI, MOST_A_SIDE, MOST = 110, 60_000, 45_000_000


def data_address(image: Any, kind: str = "PNG", **options: Any) -> str:
    """A `PIL.Image` as an address that holds it, for an HTML page's text.

    Args:
        image: the image. kind: the format. **options: for `PIL.Image.save`.
    """
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _import_matplotlib():
    try:
        import matplotlib
    except ValueError:  # an MPLBACKEND that there is not; none is needed here
        os.environ.pop("MPLBACKEND", None)
        import matplotlib
    return matplotlib


@contextlib.contextmanager
def _own_style() -> Iterator[None]:
    """Without the user's own settings of Matplotlib, such as `text.usetex`, which wants LaTeX installed."""
    matplotlib = _import_matplotlib()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield


def _figure(*size, layout="constrained"):
    # The object, not pyplot: no global state, no display, nothing to close.
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout=layout)


def _write(figure, target, **options):
    with warnings.catch_warnings():
        # Matplotlib's font lacks the letters of some languages' prompts, and draws boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        width, height = figure.get_size_inches()
        dpi = min(DPI, MOST_A_SIDE / max(width, height), (MOST / (width * height)) ** 0.5)
        figure.savefig(target, dpi=dpi, format="png", **options)


def _save(figure, path, **options):
    with atomic_path(path) as partial:
        _write(figure, partial, **options)


@_own_style()
def draw_grid(
    rows: Any, labels: Any, title: str | None = None, notes: str | None = None, headings: Sequence[str] = ()
) -> Any:
    """A figure with one labelled row of pictures a prompt.

    Args:
        rows: (prompts, pictures, size, size, 1 or 3), float in [0, 1] or uint8.
        labels: one string a row, drawn at its left.
        title: drawn on top.
        notes: lines of text, drawn below.
        headings: one string a column, drawn above it.
    """
    rows = np.asarray(rows)
    rows = rows if rows.dtype == np.uint8 else to_uint8(rows)
    count, columns = rows.shape[:2]
    headings = [textwrap.fill(heading, 16) for heading in headings[:columns]]
    above = (0.4 if title else 0) + 0.13 * max((1 + heading.count("\n") for heading in headings), default=0)
    below = 0.15 + 0.14 * len(notes.splitlines()) if notes else 0
    width, height = LABEL + CELL * columns, above + CELL * count + below
    figure = _figure(width, height, layout="none")
    # One set of axes for all: one a picture took twice as long, after every epoch.
    place = (LABEL / width, below / height, CELL * columns / width, CELL * count / height)
    axis = figure.add_axes(place)
    axis.axis("off")
    for top, (label, images) in enumerate(zip(labels, rows)):
        text = textwrap.fill(label, 24, max_lines=5)
        axis.text(-0.05, top + 0.5, text, ha="right", va="center", fontsize=9, parse_math=False)
        for left, image in enumerate(images):
            extent = left + GAP, left + 1 - GAP, top + 1 - GAP, top + GAP
            axis.imshow(image, "gray", vmin=0, vmax=255, extent=extent, aspect="auto")
    axis.set(xlim=(0, columns), ylim=(count, 0))
    for left, heading in enumerate(headings):
        axis.text(left + 0.5, -0.03, heading, ha="center", va="bottom", fontsize=7, parse_math=False)
    if title:
        figure.suptitle(title, fontsize=10, y=1 - 0.1 / height, va="top")
    if notes:
        figure.text(0.03, 0.05 / height, notes, va="bottom", fontsize=8, family="monospace", parse_math=False)
    return figure


# Labels in wide letters reach further to the left than there is room.
_TIGHT = {"bbox_inches": "tight", "pad_inches": 0.05}


@_own_style()
def save_grid(
    path: PathLike,
    rows: Any,
    labels: Any,
    title: str | None = None,
    notes: str | None = None,
    headings: Sequence[str] = (),
) -> None:
    """Writes a PNG of `draw_grid`."""
    _save(draw_grid(rows, labels, title, notes, headings), path, **_TIGHT)


@_own_style()
def render_grid(
    rows: Any, labels: Any, title: str | None = None, notes: str | None = None, headings: Sequence[str] = ()
) -> Any:
    """`draw_grid` as a `PIL.Image`."""
    buffer = io.BytesIO()
    _write(draw_grid(rows, labels, title, notes, headings), buffer, **_TIGHT)
    return decode(buffer.getvalue())


@_own_style()
def save_sheet(path: PathLike, images: np.ndarray, captions: Any) -> None:
    """Writes a PNG of pictures, four to a row, each with its caption below.

    Args:
        path: the PNG.
        images: float (n, height, width, 3) in [0, 1].
        captions: n strings.
    """
    columns = 4
    rows = -(-len(images) // columns)
    figure = _figure(2.3 * columns, 2.75 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis in axes:
        axis.axis("off")
    for axis, image, caption in zip(figure.axes, to_uint8(images), captions):
        axis.imshow(image, interpolation="lanczos")
        text = "\n".join(textwrap.fill(line, 30) for line in caption.splitlines())
        axis.set_title(text, fontsize=8, y=-0.04, va="top", pad=0, parse_math=False)
    _save(figure, path)


@_own_style()
def save_matrix(path: PathLike, matrix: np.ndarray, row_name: str, column_name: str) -> None:
    """Writes a PNG of a matrix as a heat map, its rows downwards, with the names of what its axes count."""
    figure = _figure(4.6, 4)
    axis = figure.subplots()
    figure.colorbar(axis.imshow(matrix, cmap="viridis"))
    axis.set(xlabel=column_name, ylabel=row_name)
    _save(figure, path)


@_own_style()
def save_map(path: PathLike, places: np.ndarray, labels: Any, marks: np.ndarray, names: Sequence[str]) -> None:
    """Writes a PNG of points on a plane, coloured by their labels, and of one mark a label.

    Args:
        path: the PNG.
        places: float (n, 2). labels: int (n,), of the points, 0 to 9.
        marks: float (m, 2). names: m strings, written at the marks.
    """
    figure = _figure(7, 6)
    axis = figure.subplots()
    points = axis.scatter(*np.transpose(places), c=labels, cmap="tab10", s=4, vmin=-0.5, vmax=9.5)
    for (x, y), name in zip(marks, names):
        axis.text(x, y, name, ha="center", va="center", fontsize=13, bbox={"boxstyle": "circle", "fc": "white"})
    axis.set(xticks=[], yticks=[])
    figure.colorbar(points, ticks=range(10))
    _save(figure, path)


@_own_style()
def save_curves(path: PathLike, history: Sequence[dict[str, Any]]) -> None:
    """Writes a PNG of the loss and its parts by epoch.

    Args:
        path: the PNG.
        history: a list of {"epoch", "loss", "bce", ..., "val_loss", "val_bce", ...}, one an epoch; a GAN's has no
            "val_...".
    """
    names = [name for name in history[0] if name != "epoch" and not name.startswith("val_")]
    epochs = [row["epoch"] for row in history]
    figure = _figure(3.2 * len(names), 2.8)
    for axis, name in zip(np.ravel(figure.subplots(1, len(names))), names):
        curves = [
            (key, label) for key, label in ((name, "training"), (f"val_{name}", "validation")) if key in history[0]
        ]
        for key, label in curves:
            axis.plot(epochs, [row[key] for row in history], label=label)
        axis.set(title=name, xlabel="epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        # The first validations after a start can be far off, before BatchNorm's averages settle.
        values = [row[key] for row in history[len(history) // 5 :] for key, _ in curves]
        margin = 0.1 * (max(values) - min(values)) or 1
        axis.set_ylim(min(values) - margin, max(values) + 3 * margin)
        if max(row[curves[-1][0]] for row in history) > max(values) + 3 * margin:
            axis.text(0.03, 0.93, "first epochs: off the scale", transform=axis.transAxes, fontsize=7)
    figure.axes[0].legend(fontsize=8)
    _save(figure, path)


@_own_style()
def save_lines(path: PathLike, lines: dict[str, list[dict[str, float]]], x_name: str, y_names: Sequence[str]) -> None:
    """Writes a PNG of measurements against one of them, a panel for each of the others.

    Args:
        path: the PNG.
        lines: {label: a list of {name: number}}, each a line of points.
        x_name, y_names: which numbers go along the bottom, and which upwards.
    """
    figure = _figure(3.2 * len(y_names), 2.8)
    for axis, y_name in zip(np.ravel(figure.subplots(1, len(y_names))), y_names):
        for label, points in lines.items():
            axis.plot([point[x_name] for point in points], [point[y_name] for point in points], "o-", ms=3, label=label)
        axis.set(title=y_name, xlabel=x_name)
        axis.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8)
    _save(figure, path)
