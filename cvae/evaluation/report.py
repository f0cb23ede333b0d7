"""What an evaluation or a comparison gives."""

import dataclasses
from typing import Any


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
