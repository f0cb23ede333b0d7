"""From chosen photographs to a folder of shards, with all that is told of the choice."""

import functools
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from preprocess.coco.themes import word_pattern
from preprocess.shards.index import PhotoIndex
from preprocess.shards.write import MADE, write_photos
from preprocess.sources.photo import Photo
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json
from preprocess.utils.folders import open_folder
from preprocess.utils.load import read_json
from preprocess.utils.parallel import ordered_map
from preprocess.utils.types import PathLike

STATISTICS = "captions.json"


class Chosen(NamedTuple):
    """What was chosen of some sources, besides the index of photographs.

    inputs: paths that were read. digest: of `fingerprint`. found: numbers and examples for the manifest.
    left_out: [(name, why it, or a caption of it, is not used)].
    """

    inputs: list[Any]
    digest: str
    found: dict[str, Any]
    left_out: list[tuple[str, str]]


def with_bare(left_out: list[tuple[str, str]], bare: Iterable[str]) -> list[tuple[str, str]]:
    """What is left out, and the images without captions, of which nothing else says why."""
    told = {name for name, _ in left_out}
    return left_out + [(name, "no caption") for name in bare if name not in told]


def write_chosen(
    choose: Callable[[pathlib.Path], Chosen],
    out: PathLike,
    settings: dict[str, Any],
    workers: int,
    overwrite: bool,
    inputs: Sequence[Any],
    drawn_by: str | None = None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Has photographs chosen and writes them as shards; run again, it goes on at the first unfinished shard.

    Args:
        choose: fills the `PhotoIndex` of the path it is given; picklable.
        out: the output folder, see `write_photos`, and captions.json (statistics).
        settings: what the folder depends on, but for the photographs; with "words" and what `write_photos` wants.
        workers: processes. overwrite: whether to empty an output folder made with other settings.
        inputs: paths that are read, besides those that `choose` gives.
        drawn_by: the module that drew the images, None for photographs.
        cluster: see `write_photos`.

    Returns:
        The manifest, with "found".

    Raises:
        UserError: see `open_folder` and `write_photos`.
    """
    out = pathlib.Path(out)
    with tempfile.TemporaryDirectory() as folder:
        index = PhotoIndex(pathlib.Path(folder) / "photos.sqlite")
        # In a process of its own, which gives back the half gigabyte that all of COCO's captions take.
        [chosen] = ordered_map(choose, [index.path], workers=1)
        settings = settings | {"photos": chosen.digest}
        with open_folder(out, settings, MADE, overwrite, inputs=[*inputs, *chosen.inputs]) as manifest:
            manifest |= {"found": chosen.found, "drawn_by": drawn_by}
            # A damaged list is made again, at no cost where all shards are there.
            manifest["complete"] &= _has_statistics(out)
            describe = functools.partial(_write_statistics, out, settings["words"])
            manifest = write_photos(out, manifest, index, describe, workers, chosen.left_out, cluster)
            _check_sums(manifest)
            return manifest


def caption_statistics(photos: Iterable[Photo], words: Sequence[str]) -> dict[str, Any]:
    """How many images mention each word of the theme, and how long and how many captions are."""
    patterns = {word: word_pattern([word]) for word in words}
    mentions = dict.fromkeys(words, 0)
    images = captions = length = 0
    for photo in photos:
        images += 1
        captions += len(photo.captions)
        length += sum(len(text.split()) for text in photo.captions)
        for word, pattern in patterns.items():
            mentions[word] += any(map(pattern.search, photo.captions))
    return {
        "images": images,
        "captions": captions,
        "captions_per_image": round(captions / max(1, images), 2),
        "words_per_caption": round(length / max(1, captions), 2),
        "images_that_mention": mentions,
    }


def _write_statistics(out, words, photos):
    write_json(out / STATISTICS, caption_statistics(photos, words))


def _has_statistics(out):
    try:
        return bool(read_json(out / STATISTICS, "", dict[str, Any]))
    except UserError:
        return False


def _check_sums(manifest):
    """Every image of the sources, and every one that their captions speak of, is somewhere."""
    found, counts = manifest["found"], manifest["counts"]
    bare = found["images"] - found["captioned"]
    everywhere = sum(counts.values()) + found["dropped"] + found["beyond_limit"] + bare + found["missing"]
    if everywhere != found["images"] + found["missing"]:
        raise RuntimeError(f"images were lost or counted twice: {found}, {counts}")
