"""What an evaluation or a comparison gives."""

import dataclasses
import pathlib
from typing import Any

from typing_extensions import TypedDict

from preprocess.utils.errors import UserError
from preprocess.utils.folders import MANIFEST
from preprocess.utils.load import read_json

# What a comparison writes beside its runs.
RESULTS = ("comparison.json", "comparison.png", "comparison.md")


@dataclasses.dataclass(frozen=True)
class Report:
    """Figures, and the same as text.

    Attributes:
        figures: what the JSON file beside it holds. text: lines for people.
        place: where its files are, in words.
    """

    figures: Any
    text: str
    place: str

    def __str__(self) -> str:
        return self.text


class Comparison(TypedDict):
    """What comparison.json holds."""

    rows: list[dict[str, Any]]


def check_comparison(out: pathlib.Path) -> None:
    """Raises a UserError for an output folder that holds a data set, or results that no comparison wrote."""
    if (out / MANIFEST).exists():
        raise UserError(f"{out} holds a data set; choose another --out.")
    if there := [name for name in RESULTS if (out / name).exists()]:
        remedy = f"{out} holds {there[0]}, which no comparison wrote; move it, or choose another --out"
        read_json(out / RESULTS[0], remedy, Comparison)
