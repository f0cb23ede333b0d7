"""What of a source's texts is a caption: the usual names of fields, and which texts can be used."""

from collections.abc import Iterable, Iterator
from typing import Any

from preprocess.utils.errors import UserError
from preprocess.utils.load import is_blank
from preprocess.utils.types import PathLike

# In this order, in any case: as data sets at the Hub and img2dataset name them.
FIELDS = ("caption", "captions", "text", "texts", "sentence", "sentences", "description", "prompt", "alt_text")


def caption_field(names: Iterable[str], wanted: str | None, source: PathLike) -> str:
    """Which of some fields holds captions.

    Args:
        names: of the fields. wanted: the one the user named, None for the first of the usual ones.
        source: for errors.

    Raises:
        UserError: it is not among them, or none of the usual ones is.
    """
    names = list(names)
    by_name = {name.lower(): name for name in reversed(names)}
    if wanted is not None and wanted in names:
        return wanted
    found = next((by_name[name] for name in FIELDS if name in by_name), None)
    if wanted is None and found:
        return found
    missing = f"no field {wanted}" if wanted is not None else f"none of the fields {', '.join(FIELDS[:3])} and so on"
    raise UserError(
        f"{source} has {missing}; name the one that holds captions by --caption-field: {', '.join(names) or 'none'}."
    )


def usable(name: str, value: Any, left_out: list[tuple[str, str]]) -> tuple[str, ...]:
    """An image's captions, a text or several, without those that say nothing, which are added to a list with reasons.

    Args:
        name: the image's. value: a text, a list of texts, or None where there is none.
    """
    values = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    return tuple(_usable(name, values, left_out))


def _usable(name, values, left_out) -> Iterator[str]:
    for text in values:
        if not isinstance(text, str):
            left_out.append((name, f"a caption is no text but {text!r:.60}"))
        elif is_blank(text):
            left_out.append((name, "a caption is empty"))
        else:
            yield " ".join(text.split())
