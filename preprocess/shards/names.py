"""Which image of an archive a name means: captions and attributes know images by names of many forms."""

import collections
import unicodedata
from collections.abc import Iterable, Iterator

from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike


def _parts(name: str) -> tuple[str, ...]:
    """A path's folders and file, such that names that mean the same are equal.

    macOS decomposes letters with accents, Windows has backslashes, and neither cares for case.
    """
    plain = unicodedata.normalize("NFC", name).replace("\\", "/").casefold()
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many parts two paths share, from the end."""
    pairs = list(zip(reversed(one), reversed(other)))
    return next((count for count, (left, right) in enumerate(pairs) if left != right), len(pairs))


def _nearest(name: str, candidates: Iterable[str]) -> tuple[int, list[str]]:
    """Those of an archive's names that share most with a name, and how much."""
    scored = [(_shared(_parts(name), _parts(candidate)), candidate) for candidate in candidates]
    most = max(score for score, _ in scored)
    nearest = [candidate for score, candidate in scored if score == most]
    # Two files may differ by case alone.
    same = [candidate for candidate in nearest if candidate.endswith(name)] if len(nearest) > 1 else []
    return most, same or nearest


def join_names(names: Iterable[str], images: Iterable[str], source: PathLike) -> dict[str, str]:
    """Which image each name means: the one whose path shares most with it, from the file's own name backwards.

    Args:
        names: of images, with folders or without, each once. images: the paths of an archive's images, each once.
        source: the file that the names are from, for errors.

    Returns:
        {name: image}, in the order of the names, without those that the archive lacks.

    Raises:
        UserError: a name may mean either of two images, or two names one image.
    """
    by_file: dict[str, list[str]] = collections.defaultdict(list)
    for image in images:
        by_file[_parts(image)[-1]].append(image)
    claims: dict[str, list[tuple[int, str]]] = collections.defaultdict(list)
    names = list(names)
    for name in names:
        parts = _parts(name)
        if not parts or parts[-1] not in by_file:
            continue
        score, nearest = _nearest(name, by_file[parts[-1]])
        if len(nearest) > 1:
            raise UserError(
                f"{name} in {source} may be {nearest[0]} or {nearest[1]} of the zip; name it there with its folders."
            )
        claims[nearest[0]].append((score, name))
    found = dict(_settled(claims, source))
    return {name: found[name] for name in names if name in found}


def _settled(claims: dict[str, list[tuple[int, str]]], source: PathLike) -> Iterator[tuple[str, str]]:
    for image, claimed in claims.items():
        most = max(score for score, _ in claimed)
        best = [name for score, name in claimed if score == most]
        if len(best) > 1:
            raise UserError(f"{best[0]} and {best[1]} in {source} are both {image} of the zip; keep one of them.")
        yield best[0], image


def short_names(images: Iterable[str]) -> dict[str, str]:
    """{image: its file's name, or where several have that one its whole path}."""
    images = list(images)
    counts = collections.Counter(image.split("/")[-1] for image in images)
    return {image: image.split("/")[-1] if counts[image.split("/")[-1]] == 1 else image for image in images}
