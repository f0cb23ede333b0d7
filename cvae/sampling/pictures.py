"""Pictures that were drawn: as images, as one labelled grid, and saved where nothing is overwritten."""

import io
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cvae.utils.arrays import to_uint8
from cvae.utils.plots import render_grid
from preprocess.utils.errors import UserError, counted
from preprocess.utils.files import atomic_path, check_writable, numbered_folder, save_numbered

ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


class Pictures(Sequence[list[Any]]):
    """Rows of pictures, such as those of each prompt: `pictures[0][1]` is the second one of the first row.

    Shown as a grid by itself at the end of a notebook's cell.

    Args:
        rows: (n, count, height, width, 1 or 3), float in [0, 1] or uint8.
        labels: n strings, written beside the grid's rows.
        names: n strings that files are named by; by default the labels, numbered.
        headings: one string a column of the grid.

    Attributes:
        arrays: uint8, shaped as the rows. labels, names: as given.
    """

    def __init__(
        self,
        rows: np.ndarray,
        labels: Sequence[str],
        names: Sequence[str] | None = None,
        headings: Sequence[str] = (),
    ) -> None:
        self.arrays = rows if rows.dtype == np.uint8 else to_uint8(rows)
        self.labels = list(labels)
        self.names = list(names or (f"{number:02d}-{slug(label)}" for number, label in enumerate(labels, 1)))
        self.headings = headings

    def __len__(self) -> int:
        return len(self.arrays)

    def __repr__(self) -> str:
        rows, columns, height, width = self.arrays.shape[:4]
        return f"<pictures: {counted(rows, 'row')} of {columns}, {width} x {height} pixels>"

    def __getitem__(self, row: Any) -> Any:
        """The pictures of a row, a list of `PIL.Image`; of a slice of rows, `Pictures`."""
        if isinstance(row, slice):
            return Pictures(self.arrays[row], self.labels[row], self.names[row], self.headings)
        return [_to_image(picture) for picture in self.arrays[row]]

    def __iter__(self) -> Iterator[list[Any]]:
        return (self[row] for row in range(len(self)))

    def grid(self) -> Any:
        """All of them with their labels, a `PIL.Image`."""
        return render_grid(self.arrays, self.labels, headings=self.headings)

    def _repr_jpeg_(self) -> bytes:
        # What IPython shows; a PNG would make a saved notebook five times as large.
        buffer = io.BytesIO()
        self.grid().save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    def save(self, out: str | pathlib.Path) -> pathlib.Path:
        """Saves them; nothing that is there is overwritten.

        Args:
            out: a file, such as "picture.png", that gets the picture, or the grid where there are several;
                "picture-2.png" where that is there. Or a folder that gets grid.png and a PNG a picture; where it holds
                anything already, a folder "2" in it, and so on.

        Returns:
            The path of the file, or of the grid.

        Raises:
            UserError: see `check_output`.
        """
        check_output(out)
        if is_file_name(out):
            image = self[0][0] if self.arrays.shape[:2] == (1, 1) else self.grid()
            return save_numbered(out, image.convert("RGB").save)
        folder = numbered_folder(pathlib.Path(out))
        for name, pictures in zip(self.names, self):
            for heading, picture in zip(self._in_file_names(), pictures):
                with atomic_path(folder / f"{name}-{heading}.png") as partial:
                    picture.save(partial)
        # Last, so that a folder with a grid is whole.
        with atomic_path(folder / "grid.png") as partial:
            self.grid().save(partial)
        return folder / "grid.png"

    def _in_file_names(self) -> list[str]:
        """What tells the pictures of a row apart in their files' names: their headings, or else their numbers."""
        headed = [slug(heading) for heading in self.headings]
        if len(set(headed)) < len(headed):
            headed = []
        return headed + [str(number) for number in range(1, self.arrays.shape[1] - len(headed) + 1)]


def is_file_name(out: str | pathlib.Path) -> bool:
    """Whether an output names a picture's file, by its ending; else it is a folder's."""
    return pathlib.Path(out).suffix.lower() in ENDINGS and not pathlib.Path(out).is_dir()


def check_output(out: str | pathlib.Path) -> None:
    """Raises a UserError for an unusable output: a file in a folder's place, or where nothing can be written."""
    path = pathlib.Path(out)
    if is_file_name(path):
        path = path.parent
    elif path.suffix and not path.exists() and path.suffix[1:].isalpha() and len(path.suffix) <= 5:
        raise UserError(
            f"{path} has the ending of a file that is no picture's; end it in {', '.join(ENDINGS)}, or name a folder."
        )
    check_writable(path)


def slug(text: str, length: int = 60) -> str:
    """A text as a part of a file's name: its letters and digits, of any script, with hyphens between."""
    short = re.sub(r"[\W_]+", "-", text.lower()).strip("-")[:length]
    # A name has 255 bytes at most, and some letters have four.
    return short.encode()[: 3 * length].decode(errors="ignore").strip("-") or "prompt"


def _to_image(picture: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
