"""From a COCO zip to shards of bucolic photographs, without unzipping it."""

import functools
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

from preprocess.coco.captions import THEMES, find_captions, read_captions, theme_words, word_pattern
from preprocess.pasture import DRAWN_BY
from preprocess.shards.records import VALIDATION_SHARE
from preprocess.shards.write import Photo, check_numbers, fingerprint, list_images, share_setting, write_photos
from preprocess.utils.errors import UserError
from preprocess.utils.files import open_folder, read_manifest, write_json
from preprocess.utils.parallel import ordered_map
from preprocess.utils.types import PathLike

# Captions of dropped images that are shown.
EXAMPLES = 3


def choose_photos(
    zip_path: PathLike, images: dict[str, Any], captions: Any, words: Sequence[str], captions_path: PathLike
) -> tuple[list[Photo], list[tuple[str, ...]]]:
    """Chooses the photographs with a caption that holds one of `words`; without any, all that have captions.

    Args:
        images: of `list_images`, of `zip_path`. captions: of `read_captions`.

    Returns:
        (A list of `Photo` in the order of their ids; the captions of each image that was dropped.)

    Raises:
        UserError: the captions belong to other images.
    """
    pattern = word_pattern(words)
    known = [name for name in captions if name in images]
    if not known:
        raise UserError(
            f"{captions_path} describes none of the zip's images; give --captions the file made for this zip."
        )
    photos, dropped = [], []
    for name in known:
        image_id, texts = captions[name]
        texts = tuple(" ".join(text.split()) for text in texts)
        if any(map(pattern.search, texts)):
            photos.append(Photo(image_id, images[name].filename, texts, str(zip_path)))
        else:
            dropped.append(texts)
    return sorted(photos), dropped


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
        ([captions' path, one a zip], chosen photographs by their ids, their fingerprint, what was found).
    """
    paths: list[pathlib.Path] = []
    photos: list[Photo] = []
    images: dict[str, Any] = {}
    dropped: list[tuple[str, ...]] = []
    for zip_path, captions_path in zips:
        members = list_images(zip_path, "COCO's train2017.zip")
        if twice := sorted(members.keys() & images.keys()):
            raise UserError(f"{zip_path} holds {twice[0]}, and so does another --zip; give each image once.")
        captions_path, member = (captions_path, None) if captions_path else find_captions(zip_path)
        captions = read_captions(captions_path, member)
        chosen, others = choose_photos(zip_path, members, captions, words, captions_path)
        photos += chosen
        dropped += others
        images |= members
        paths.append(captions_path)
    if not photos:
        where = " and ".join(map(str, paths))
        raise UserError(f"no caption in {where} holds any of: {', '.join(words)}; try --theme or --words.")
    found = _describe_choice(images, photos, dropped)
    photos = sorted(photos)[:limit]
    return paths, photos, fingerprint(photos, images), found


def _describe_choice(images, photos, dropped):
    """What was found and dropped: numbers, examples, and how many images each theme would keep."""
    captions = [*(photo.captions for photo in photos), *dropped]
    would_keep = {
        theme: sum(any(map(word_pattern(words).search, texts)) for texts in captions) for theme, words in THEMES.items()
    }
    # From all over, since neighbours are often alike.
    places = [len(dropped) * number // EXAMPLES for number in range(min(EXAMPLES, len(dropped)))]
    return {
        "images": len(images),
        "captioned": len(captions),
        "dropped": len(dropped),
        "examples": [dropped[place][0] for place in places],
        "would_keep": would_keep,
    }


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
    [(captions_paths, photos, digest, found)] = ordered_map(choose, [zips], workers=1)
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
    with open_folder(out, settings, overwrite, inputs=[*zip_paths, *captions_paths]) as manifest:
        manifest |= {"found": found, "drawn_by": _drawn_by(zip_paths)}
        return write_photos(
            out,
            manifest,
            photos,
            describe=lambda kept: write_json(out / "captions.json", caption_statistics(kept, words)),
            workers=workers,
        )
