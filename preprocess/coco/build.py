"""From a COCO zip to shards of bucolic photographs, without unzipping it."""

import collections
import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

from preprocess.coco.captions import Captions, find_captions, read_captions
from preprocess.coco.themes import theme_words
from preprocess.pasture import DRAWN_BY
from preprocess.shards.decode import ENDINGS
from preprocess.shards.index import PhotoIndex
from preprocess.shards.names import join_names, short_names
from preprocess.shards.records import VALIDATION_SHARE
from preprocess.shards.write import check_numbers, fingerprint, share_setting
from preprocess.sources.chosen import Chosen, with_bare, write_chosen
from preprocess.sources.photo import Photo
from preprocess.sources.tally import Tally
from preprocess.sources.zips import has_unclear_names, list_images, names_of_others
from preprocess.utils.errors import UserError
from preprocess.utils.folders import read_manifest
from preprocess.utils.places import is_remote, to_place
from preprocess.utils.types import PathLike

NO_IMAGE = f"in the zip, but its name does not end as an image's does that is read: {', '.join(ENDINGS)}"


@dataclasses.dataclass
class Choice:
    """What became of a zip's images and of those that its captions speak of.

    Attributes:
        photos: the chosen ones.
        images: in the zip. found: those of them that have captions. missing: captioned images that it lacks.
        left_out: [(name, why it, or a caption of it, is not used)]. bare: the names of those without captions.
    """

    photos: list[Photo]
    images: int
    found: int
    missing: int
    left_out: list[tuple[str, str]]
    bare: list[str]


def choose_photos(
    zip_path: PathLike, images: dict[str, Any], captions: Captions, tally: Tally, captions_path: PathLike
) -> Choice:
    """Chooses a zip's photographs by their captions.

    Args:
        images: of `list_images`, of `zip_path`. captions: of `read_captions`. tally: says which are kept.

    Returns:
        A `Choice`, its photographs in the order of their ids.

    Raises:
        UserError: the captions belong to other images, or it is not certain to which; see `join_names`.
    """
    known = join_names(captions.images, images, captions_path)
    if not known:
        raise UserError(
            f"{captions_path} describes none of the zip's images; give --captions the file made for this zip."
        )
    names = short_names(images)
    photos = []
    for name, image in known.items():
        image_id, found = captions.images[name]
        texts = tuple(" ".join(text.split()) for text in found)
        if tally.keeps(texts):
            info = images[image]
            stamp = info.CRC, info.file_size
            photos.append(Photo(image_id, info.filename, texts, str(zip_path), name=names[image], stamp=stamp))
    reason = f"captioned, but not among the images of {zip_path}"
    if has_unclear_names(images):
        reason += ", of which some have names that are not in UTF-8; zip them again with a program that writes it"
    missing = [name for name in captions.images if name not in known]
    strange = names_of_others(zip_path, missing)
    left_out = [*captions.left_out, *((name, NO_IMAGE if name in strange else reason) for name in missing)]
    captioned = set(known.values())
    bare = [names[image] for image in images if image not in captioned]
    return Choice(sorted(photos), len(images), len(known), len(missing), left_out, bare)


def _choose(zips, index_path, words, limit, validation_share):
    """Reads the directories and captions of zips, [(zip, captions or None)], and fills the index of photographs.

    Returns:
        A `Chosen`; its inputs are the captions' paths.
    """
    paths: list[Any] = []
    choices: list[Choice] = []
    images: dict[tuple[str, str], Any] = {}
    tally = Tally(words)
    for zip_path, captions_path in zips:
        members = list_images(zip_path, "COCO's train2017.zip")
        _check_once(zip_path, members, images)
        captions_path, member = (captions_path, None) if captions_path else find_captions(zip_path)
        captions = read_captions(captions_path, member, zip_path.stem)
        choices.append(choose_photos(zip_path, members, captions, tally, captions_path))
        images |= {(str(zip_path), info.filename): info for info in members.values()}
        paths.append(captions_path)
    photos = _with_own_names(sorted(photo for choice in choices for photo in choice.photos), [path for path, _ in zips])
    if not photos:
        where = " and ".join(map(str, paths))
        raise UserError(f"no caption in {where} holds any of: {', '.join(words)}; try --theme or --words.")
    index = PhotoIndex(index_path)
    total = index.fill(photos, validation_share, limit)
    found = _describe_choice(choices) | tally.describe() | {"beyond_limit": total - len(index)}
    # Zip by zip, since two may have images of one name.
    left_out = [row for choice in choices for row in with_bare(choice.left_out, choice.bare)]
    return Chosen(paths, fingerprint(index), found, left_out)


def _with_own_names(photos, zips):
    """Photographs of which no two have the same name, though several zips, and images of theirs, may.

    Wherever the zips lie: the names go into the records.
    """
    counts = collections.Counter(photo.name for photo in photos)
    zip_counts = collections.Counter(path.name for path in zips)
    labels = {
        str(path): path.name if zip_counts[path.name] == 1 else f"{number}/{path.name}"
        for number, path in enumerate(zips, 1)
    }
    return [
        photo if counts[photo.name] == 1 else photo._replace(name=f"{labels[photo.archive]}/{photo.member}")
        for photo in photos
    ]


def _check_once(zip_path, members, images):
    """Raises a UserError for an image that another zip, {(zip, path in it): `ZipInfo`}, has too."""
    others = {(info.filename, info.CRC, info.file_size): archive for (archive, _), info in images.items()}
    for info in members.values():
        if other := others.get((info.filename, info.CRC, info.file_size)):
            raise UserError(f"{zip_path} and {other} both hold {info.filename}; give each image once.")


def _describe_choice(choices):
    """How many images and captions there are."""
    missing = sum(choice.missing for choice in choices)
    return {
        "images": sum(choice.images for choice in choices),
        "captioned": sum(choice.found for choice in choices),
        "missing": missing,
        "captions_left_out": sum(len(choice.left_out) for choice in choices) - missing,
    }


def _drawn_by(zip_paths):
    """What drew the zips' images, by the manifest beside them; None for photographs."""
    for zip_path in zip_paths:
        try:
            manifest = {} if is_remote(zip_path) else read_manifest(zip_path.parent, "")
        except UserError:
            return None
        if manifest.get("kind") != "pasture":
            return None
    return DRAWN_BY


def _listed(paths):
    """One path, several or None as a list."""
    if paths is None or isinstance(paths, (str, pathlib.Path)):
        paths = [paths] if paths else []
    return [to_place(path) for path in paths]


def preprocess_coco(
    zip_paths: Any,
    out: PathLike,
    captions: Any = None,
    theme: str = "small",
    words: Sequence[str] = (),
    sizes: Sequence[int] = (64, 128, 224),
    shard_size: int = 512,
    workers: int = 1,
    limit: int | None = None,
    overwrite: bool = False,
    validation_share: float = VALIDATION_SHARE,
    cluster: str | None = None,
) -> dict[str, Any]:
    """Turns COCO's zips into shards of bucolic photographs; run again, it goes on at the first unfinished shard.

    Args:
        zip_paths: COCO's train2017.zip or any zip of images with captions in COCO's format, or several.
        out: the output folder: see `preprocess.sources.chosen.write_chosen`.
        captions: the captions' JSON, one for each zip; by default looked for beside the zip.
        theme: "small" or "large", or "all" for every image with a caption.
        words: more words to look for.
        sizes: sides in pixels of the square images in each record.
        shard_size: images a shard.
        workers: processes.
        limit: images, at most: those of the lowest ids.
        overwrite: whether to empty an output folder made with other settings.
        validation_share: of the images, from 0 to 1.
        cluster: see `preprocess.shards.write.write_photos`.

    Returns:
        The manifest, with "found": how many images and captions there were and how many the theme dropped.

    Raises:
        UserError: numbers that cannot be; see `list_images`, `read_captions`, `choose_photos`, `open_folder` and
            `write_chosen`.
    """
    out = pathlib.Path(out)
    zip_paths, captions = _listed(zip_paths), _listed(captions) or [None]
    check_numbers(sizes, shard_size, workers, limit, validation_share)
    words = theme_words(theme, words)
    if len(captions) not in (1, len(zip_paths)) or (captions[0] and len(captions) < len(zip_paths)):
        raise UserError("give --captions one file for each --zip, in the same order, or none.")
    zips = list(itertools.zip_longest(zip_paths, captions))
    settings = {
        "zip": ", ".join(path.name for path in zip_paths),
        "theme": theme,
        "words": words,
        "sizes": sorted(sizes),
        "shard_size": shard_size,
        "limit": limit,
        **share_setting(validation_share),
    }
    choose = functools.partial(_choose, zips, words=words, limit=limit, validation_share=validation_share)
    return write_chosen(
        choose, out, settings, workers, overwrite, zip_paths, drawn_by=_drawn_by(zip_paths), cluster=cluster
    )
