"""Which image of an archive a name means: captions and attributes know images by names of many forms."""

import collections
import re
import unicodedata
from collections.abc import Iterable, Iterator

from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike

SPLIT = re.compile("train|val|test|dev")


def _parts(name: str) -> tuple[str, ...]:
    """A path's folders and file, such that names that mean the same are equal.

    macOS decomposes letters with accents, Windows has backslashes, and neither cares for case.
    """
    plain = unicodedata.normalize("NFC", name).replace("\\", "/").casefold()
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def _ends(parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The ends of a path, the longest, which is all of it, first."""
    return (parts[start:] for start in range(len(parts)))


def _split_of(parts: tuple[str, ...]) -> str | None:
    """The split that a path's folders name."""
    named = (SPLIT.match(folder) for folder in reversed(parts[:-1]))
    return next((match.group() for match in named if match), None)


class _Archive:
    """An archive's images by their paths and by the ends of those, so that each name takes a look or two."""

    def __init__(self, images: Iterable[str]) -> None:
        self.whole: dict[tuple[str, ...], list[str]] = collections.defaultdict(list)
        self.ending: dict[tuple[str, ...], list[str]] = collections.defaultdict(list)
        for image in images:
            parts = _parts(image)
            self.whole[parts].append(image)
            for end in _ends(parts):
                self.ending[end].append(image)

    def meant_by(self, name: str, rooted: bool) -> tuple[int, list[str]]:
        """How many parts a name shares with those images that it may mean, and the images.

        One path has to be the other's end. A folder that all names are in, `rooted`, such as images/, says nothing,
        unless it is another split's.
        """
        parts = _parts(name)
        for end in _ends(parts):
            meant = self.ending.get(end, []) if end == parts else self.whole.get(end, [])
            if not meant and rooted and len(end) == len(parts) - 1:
                split = _split_of(parts)
                meant = [image for image in self.ending.get(end, []) if split in (None, _split_of(_parts(image)))]
            if meant:
                # Two files may differ by case alone.
                same = [image for image in meant if image.endswith(name)] if len(meant) > 1 else []
                return len(end), same or meant
        return 0, []


def join_names(names: Iterable[str], images: Iterable[str], source: PathLike) -> dict[str, str]:
    """Which image each name means: the one whose path ends as it does, or whose path is the end of it.

    Args:
        names: of images, with folders or without, each once. images: the paths of an archive's images, each once.
        source: the file that the names are from, for errors.

    Returns:
        {name: image}, in the order of the names, without those that the archive lacks.

    Raises:
        UserError: a name may mean either of two images, or two names one image.
    """
    archive, names = _Archive(images), list(names)
    roots = {parts[0] if len(parts) > 1 else None for parts in map(_parts, names)}
    claims: dict[str, list[tuple[int, str]]] = collections.defaultdict(list)
    for name in names:
        shared, meant = archive.meant_by(name, rooted=len(roots) == 1 and None not in roots)
        if len(meant) > 1:
            raise UserError(
                f"{name} in {source} may be {meant[0]} or {meant[1]} of the zip; name it there with its folders."
            )
        if meant:
            claims[meant[0]].append((shared, name))
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
