"""From a user's own images, in whatever kind of source, to shards."""

import contextlib
import functools
import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

from preprocess.coco.themes import theme_words
from preprocess.shards.index import PhotoIndex
from preprocess.shards.records import VALIDATION_SHARE
from preprocess.shards.write import check_numbers, fingerprint, share_setting
from preprocess.sources.chosen import Chosen, with_bare, write_chosen
from preprocess.sources.find import find_sources
from preprocess.sources.open import KINDS
from preprocess.sources.photo import Photo
from preprocess.sources.tally import Tally
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.places import is_remote
from preprocess.utils.progress import progress_bar
from preprocess.utils.types import PathLike


def preprocess_images(
    places: Sequence[PathLike],
    out: PathLike,
    theme: str | None = None,
    words: Sequence[str] = (),
    sizes: Sequence[int] = (64, 128, 224),
    shard_size: int = 512,
    workers: int = 1,
    limit: int | None = None,
    overwrite: bool = False,
    validation_share: float = VALIDATION_SHARE,
    caption_field: str | None = None,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Turns images with captions into shards; run again, it goes on at the first unfinished shard.

    Args:
        places: folders of images, or of tars or Parquet files, or such files, here or at addresses; see
            `preprocess.sources`.
        out: the output folder: see `preprocess.sources.chosen.write_chosen`.
        theme: one of `preprocess.coco.themes.THEMES`, "all" for every image with a caption; None for `words` alone, or
            if there are none every image.
        words: more words to look for. sizes: sides in pixels of the square images in each record.
        shard_size: images a shard. workers: processes. limit: images, at most: those of the lowest ids.
        overwrite: whether to empty an output folder made with other settings.
        validation_share: of the images, from 0 to 1.
        caption_field: the name of what holds captions in metadata, JSON or tables; None for the usual ones.
        cluster: see `preprocess.shards.write.write_photos`.

    Returns:
        The manifest, with "found": how many images and captions there were and how many the theme dropped.

    Raises:
        UserError: numbers that cannot be; a place is no source, damaged, or has no captions; see `write_chosen`.
    """
    check_numbers(sizes, shard_size, workers, limit, validation_share)
    words = theme_words(theme, words) if theme else tuple(dict.fromkeys(word.lower() for word in words))
    theme = theme or ("words" if words else "all")
    sources = find_sources(places)
    settings = {
        "images": ", ".join(label for _, _, label in sources),
        "theme": theme,
        "words": words,
        "sizes": sorted(sizes),
        "shard_size": shard_size,
        "limit": limit,
        "caption_field": caption_field,
        **share_setting(validation_share),
    }
    choose = functools.partial(
        _choose, sources, caption_field, words=words, limit=limit, validation_share=validation_share
    )
    return write_chosen(choose, out, settings, workers, overwrite, [place for _, place, _ in sources], cluster=cluster)


@contextlib.contextmanager
def _named(place):
    """Has what a source cannot be read for end in a sentence that names it."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # Networks' readers have errors of any kind; here a library's for damage have no number, as the system's have.
        damage = isinstance(error, (OSError, ValueError)) and not getattr(error, "errno", None)
        if not damage and not is_remote(place):
            raise
        raise UserError(
            f"{place} cannot be read ({first_line(error)}); see that it is whole and can be reached, then run the same "
            "command again."
        ) from None


def _choose(sources, caption_field, index_path, words, limit, validation_share):
    """Reads the captions of sources, [(kind, place, label)], and fills the index of photographs. Returns a `Chosen`."""
    tally, found = Tally(words), {"images": 0, "captioned": 0}
    left_out: list[tuple[str, str]] = []
    bare: list[str] = []
    without: list[UserError] = []

    def kept(kind, place, label) -> Iterator[Photo]:
        with _named(place):
            source = KINDS[kind](place)
            for photo in source.photos(label, caption_field):
                found["images"] += 1
                found["captioned"] += 1
                if tally.keeps(photo.captions):
                    yield photo
        found["images"] += len(source.bare)
        left_out.extend(source.left_out)
        bare.extend(source.bare)
        without.extend([source.without_field] if source.without_field else [])

    index = PhotoIndex(pathlib.Path(index_path))
    with progress_bar(desc="reading captions", unit="image") as bar:

        def counted(photo):
            bar.update()
            return photo

        total = index.fill(
            map(counted, itertools.chain.from_iterable(itertools.starmap(kept, sources))), validation_share, limit
        )
    if not total:
        where = " and ".join(str(place) for _, place, _ in sources)
        if not found["captioned"]:
            raise without[0] if without else UserError(f"{where} holds no captions of images; see docs/data.md.")
        raise UserError(f"no caption in {where} holds any of: {', '.join(words)}; try --theme or --words.")
    found |= {"missing": 0, "captions_left_out": len(left_out), "beyond_limit": total - len(index)}
    return Chosen([], fingerprint(index), found | tally.describe(), with_bare(left_out, bare))
