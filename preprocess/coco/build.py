"""From a COCO zip to shards of bucolic photographs, without unzipping it."""

import collections
import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

from preprocess.coco.captions import Captions, find_captions, read_captions
from preprocess.coco.themes import THEMES, theme_words, word_pattern
from preprocess.pasture import DRAWN_BY
from preprocess.shards.archive import Photo, has_unclear_names, list_images, names_of_others
from preprocess.shards.decode import ENDINGS
from preprocess.shards.names import join_names, short_names
from preprocess.shards.records import VALIDATION_SHARE
from preprocess.shards.write import MADE, check_numbers, fingerprint, share_setting, write_photos
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json
from preprocess.utils.folders import open_folder, read_manifest
from preprocess.utils.load import read_json
from preprocess.utils.parallel import ordered_map
from preprocess.utils.types import PathLike

STATISTICS = "captions.json"
# Captions of dropped images that are shown.
EXAMPLES = 3
NO_IMAGE = f"in the zip, but its name does not end as an image's does that is read: {', '.join(ENDINGS)}"


@dataclasses.dataclass
class Choice:
    """What became of a zip's images and of those that its captions speak of.

    Attributes:
        photos: the chosen ones. dropped: captions of each image that the theme drops.
        images: in the zip. found: those of them that have captions. missing: captioned images that it lacks.
        left_out: [(name, why it, or a caption of it, is not used)].
    """

    photos: list[Photo]
    dropped: list[tuple[str, ...]]
    images: int
    found: int
    missing: int
    left_out: list[tuple[str, str]]


def choose_photos(
    zip_path: PathLike, images: dict[str, Any], captions: Captions, words: Sequence[str], captions_path: PathLike
) -> Choice:
    """Chooses the photographs with a caption that holds one of `words`; without any, all that have captions.

    Args:
        images: of `list_images`, of `zip_path`. captions: of `read_captions`.

    Returns:
        A `Choice`, its photographs in the order of their ids.

    Raises:
        UserError: the captions belong to other images, or it is not certain to which; see `join_names`.
    """
    pattern = word_pattern(words)
    known = join_names(captions.images, images, captions_path)
    if not known:
        raise UserError(
            f"{captions_path} describes none of the zip's images; give --captions the file made for this zip."
        )
    names = short_names(images)
    photos, dropped = [], []
    for name, image in known.items():
        image_id, found = captions.images[name]
        texts = tuple(" ".join(text.split()) for text in found)
        if any(map(pattern.search, texts)):
            photos.append(Photo(image_id, images[image].filename, texts, str(zip_path), name=names[image]))
        else:
            dropped.append(texts)
    reason = f"captioned, but not among the images of {zip_path}"
    if has_unclear_names(images):
        reason += ", of which some have names that are not in UTF-8; zip them again with a program that writes it"
    missing = [name for name in captions.images if name not in known]
    strange = names_of_others(zip_path, missing)
    left_out = [*captions.left_out, *((name, NO_IMAGE if name in strange else reason) for name in missing)]
    return Choice(sorted(photos), dropped, len(images), len(known), len(missing), left_out)


def caption_statistics(photos: list[Photo], words: Sequence[str]) -> dict[str, Any]:
    """How many images mention each word of the theme, and how long and how many captions are."""
    mentions = {}
    for word in words:
        pattern = word_pattern([word])
        mentions[word] = sum(any(map(pattern.search, photo.captions)) for photo in photos)
    texts = [text for photo in photos for text in photo.captions]
    lengths = [len(text.split()) for text in texts]
    return {
        "images": len(photos),
        "captions": len(texts),
        "captions_per_image": round(len(texts) / max(1, len(photos)), 2),
        "words_per_caption": round(sum(lengths) / max(1, len(lengths)), 2),
        "images_that_mention": mentions,
    }


def _choose(zips, words, limit):
    """Reads the directories and captions of zips, [(zip, captions or None)].

    Returns:
        ([captions' path, one a zip], chosen photographs by their ids, their fingerprint, what was found, and what of
        the captions is not used: [(name, reason)]).
    """
    paths: list[pathlib.Path] = []
    choices: list[Choice] = []
    images: dict[tuple[str, str], Any] = {}
    for zip_path, captions_path in zips:
        members = list_images(zip_path, "COCO's train2017.zip")
        _check_once(zip_path, members, images)
        captions_path, member = (captions_path, None) if captions_path else find_captions(zip_path)
        captions = read_captions(captions_path, member, zip_path.stem)
        choices.append(choose_photos(zip_path, members, captions, words, captions_path))
        images |= {(str(zip_path), info.filename): info for info in members.values()}
        paths.append(captions_path)
    photos = _with_own_names(sorted(photo for choice in choices for photo in choice.photos), [path for path, _ in zips])
    if not photos:
        where = " and ".join(map(str, paths))
        raise UserError(f"no caption in {where} holds any of: {', '.join(words)}; try --theme or --words.")
    found = _describe_choice(choices, photos, words) | {"beyond_limit": len(photos[limit:]) if limit else 0}
    photos = photos[:limit]
    return paths, photos, fingerprint(photos, images), found, [row for choice in choices for row in choice.left_out]


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


def _describe_choice(choices, photos, words):
    """What was found and dropped: numbers, examples, and how many images each theme would keep."""
    dropped = [texts for choice in choices for texts in choice.dropped]
    captions = [*(photo.captions for photo in photos), *dropped]
    patterns = {theme: word_pattern(words) for theme, words in THEMES.items()}
    would_keep = {
        theme: sum(any(map(pattern.search, texts)) for texts in captions) for theme, pattern in patterns.items()
    }
    # From all over, since neighbours are often alike.
    first = list(dict.fromkeys(texts[0] for texts in dropped))
    examples = [first[len(first) * number // EXAMPLES] for number in range(min(EXAMPLES, len(first)))]
    missing = sum(choice.missing for choice in choices)
    return {
        "images": sum(choice.images for choice in choices),
        "captioned": sum(choice.found for choice in choices),
        "missing": missing,
        "captions_left_out": sum(len(choice.left_out) for choice in choices) - missing,
        "dropped": len(dropped),
        "examples": examples,
        "would_keep": would_keep,
        "unmatched": [word for word in words if not any(map(word_pattern([word]).search, _texts(photos)))],
    }


def _texts(photos):
    return (text for photo in photos for text in photo.captions)


def _drawn_by(zip_paths):
    """What drew the zips' images, by the manifest beside them; None for photographs."""
    for zip_path in zip_paths:
        try:
            manifest = read_manifest(zip_path.parent, "")
        except UserError:
            return None
        if manifest.get("kind") != "pasture":
            return None
    return DRAWN_BY


def _listed(paths):
    """One path, several or None as a list."""
    if paths is None or isinstance(paths, (str, pathlib.Path)):
        paths = [paths] if paths else []
    return [pathlib.Path(path) for path in paths]


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
) -> dict[str, Any]:
    """Turns COCO's zips into shards of bucolic photographs; run again, it goes on at the first unfinished shard.

    Args:
        zip_paths: COCO's train2017.zip or any zip of images with captions in COCO's format, or several.
        out: the output folder: see `preprocess.shards.write.write_photos`, and captions.json (statistics).
        captions: the captions' JSON, one for each zip; by default looked for beside the zip.
        theme: "small" or "large", or "all" for every image with a caption.
        words: more words to look for.
        sizes: sides in pixels of the square images in each record.
        shard_size: images a shard.
        workers: processes.
        limit: images, at most: those of the lowest ids.
        overwrite: whether to empty an output folder made with other settings.
        validation_share: of the images, from 0 to 1.

    Returns:
        The manifest, with "found": how many images and captions there were and how many the theme dropped.

    Raises:
        UserError: numbers that cannot be; see `list_images`, `read_captions`, `choose_photos`, `open_folder` and
            `write_photos`.
    """
    out = pathlib.Path(out)
    zip_paths, captions = _listed(zip_paths), _listed(captions) or [None]
    check_numbers(sizes, shard_size, workers, limit, validation_share)
    words = theme_words(theme, words)
    if len(captions) not in (1, len(zip_paths)) or (captions[0] and len(captions) < len(zip_paths)):
        raise UserError("give --captions one file for each --zip, in the same order, or none.")
    zips = list(itertools.zip_longest(zip_paths, captions))
    # In a process of its own, which gives back the half gigabyte that all of COCO's captions take.
    choose = functools.partial(_choose, words=words, limit=limit)
    [(captions_paths, photos, digest, found, left_out)] = ordered_map(choose, [zips], workers=1)
    settings = {
        "zip": ", ".join(path.name for path in zip_paths),
        "theme": theme,
        "words": words,
        "sizes": sorted(sizes),
        "shard_size": shard_size,
        "limit": limit,
        "photos": digest,
        **share_setting(validation_share),
    }
    with open_folder(out, settings, MADE, overwrite, inputs=[*zip_paths, *captions_paths]) as manifest:
        manifest |= {"found": found, "drawn_by": _drawn_by(zip_paths)}
        # A damaged list is made again, at no cost where all shards are there.
        manifest["complete"] &= _has_statistics(out)
        manifest = write_photos(
            out,
            manifest,
            photos,
            describe=lambda kept: write_json(out / STATISTICS, caption_statistics(kept, words)),
            workers=workers,
            left_out=left_out,
        )
        _check_sums(manifest)
        return manifest


def _has_statistics(out):
    try:
        return bool(read_json(out / STATISTICS, "", dict[str, Any]))
    except UserError:
        return False


def _check_sums(manifest):
    """Every image of the zip, and every one that its captions speak of, is somewhere."""
    found, counts = manifest["found"], manifest["counts"]
    bare = found["images"] - found["captioned"]
    everywhere = sum(counts.values()) + found["dropped"] + found["beyond_limit"] + bare + found["missing"]
    if everywhere != found["images"] + found["missing"]:
        raise RuntimeError(f"images were lost or counted twice: {found}, {counts}")
