"""From a COCO zip to shards of bucolic photographs, without unzipping it."""

import functools
import itertools
import pathlib

from preprocess.captions import find_captions, read_captions, theme_words, word_pattern
from preprocess.errors import UserError
from preprocess.files import open_folder, write_json
from preprocess.parallel import ordered_map
from preprocess.shards import Photo, check_numbers, fingerprint, list_images, write_photos


def choose_photos(zip_path, images, captions, words, captions_path):
    """Chooses the photographs with a caption that holds one of `words`; without any, all that have captions.

    Args:
        images: of `preprocess.shards.list_images`, of `zip_path`. captions: of `preprocess.captions.read_captions`.

    Returns:
        A list of `Photo`, in the order of their ids.

    Raises:
        UserError: the captions belong to other images.
    """
    pattern = word_pattern(words)
    known = [name for name in captions if name in images]
    if not known:
        raise UserError(
            f"{captions_path} describes none of the zip's images; give --captions the file made for this zip."
        )
    photos = []
    for name in known:
        image_id, texts = captions[name]
        if any(pattern.search(text) for text in texts):
            texts = tuple(" ".join(text.split()) for text in texts)
            photos.append(Photo(image_id, images[name].filename, texts, str(zip_path)))
    return sorted(photos)


def caption_statistics(photos, words):
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
        ([captions' path, one a zip], chosen photographs by their ids, their fingerprint).
    """
    paths, photos, images = [], [], {}
    for zip_path, captions_path in zips:
        members = list_images(zip_path, "COCO's train2017.zip")
        if twice := sorted(members.keys() & images.keys()):
            raise UserError(f"{zip_path} holds {twice[0]}, and so does another --zip; give each image once.")
        captions_path, member = (captions_path, None) if captions_path else find_captions(zip_path)
        photos += choose_photos(zip_path, members, read_captions(captions_path, member), words, captions_path)
        images |= members
        paths.append(captions_path)
    if not photos:
        where = " and ".join(map(str, paths))
        raise UserError(f"no caption in {where} holds any of: {', '.join(words)}; try --theme or --words.")
    photos = sorted(photos)[:limit]
    return paths, photos, fingerprint(photos, images)


def _listed(paths):
    """One path, several or None as a list."""
    if paths is None or isinstance(paths, (str, pathlib.Path)):
        paths = [paths] if paths else []
    return [pathlib.Path(path) for path in paths]


def preprocess_coco(
    zip_paths,
    out,
    captions=None,
    theme="small",
    words=(),
    sizes=(64, 128, 224),
    shard_size=512,
    workers=1,
    limit=None,
    overwrite=False,
):
    """Turns COCO's zips into shards of bucolic photographs; run again, it goes on at the first unfinished shard.

    Args:
        zip_paths: COCO's train2017.zip or any zip of images with captions in COCO's format, or several.
        out: the output folder: see `preprocess.shards.write_photos`, and captions.json (statistics).
        captions: the captions' JSON, one for each zip; by default looked for beside the zip.
        theme: "small" or "large", or "all" for every image with a caption.
        words: more words to look for.
        sizes: sides in pixels of the square images in each record.
        shard_size: images a shard.
        workers: processes.
        limit: at most so many images, those of the lowest ids.
        overwrite: whether to empty an output folder made with other settings.

    Returns:
        The manifest.

    Raises:
        UserError: numbers that cannot be; see `list_images`, `read_captions`, `choose_photos`, `open_folder` and
            `write_photos`.
    """
    out = pathlib.Path(out)
    zip_paths, captions = _listed(zip_paths), _listed(captions) or [None]
    check_numbers(sizes, shard_size, workers, limit)
    words = theme_words(theme, words)
    if len(captions) not in (1, len(zip_paths)) or (captions[0] and len(captions) < len(zip_paths)):
        raise UserError("give --captions one file for each --zip, in the same order, or none.")
    zips = list(itertools.zip_longest(zip_paths, captions))
    # In a process of its own, which gives back the half gigabyte that all of COCO's captions take.
    choose = functools.partial(_choose, words=words, limit=limit)
    [(captions_paths, photos, digest)] = ordered_map(choose, [zips], workers=1)
    settings = {
        "zip": ", ".join(path.name for path in zip_paths),
        "theme": theme,
        "words": words,
        "sizes": sorted(sizes),
        "shard_size": shard_size,
        "limit": limit,
        "photos": digest,
    }
    with open_folder(out, settings, overwrite, inputs=[*zip_paths, *captions_paths]) as manifest:
        return write_photos(
            out,
            manifest,
            photos,
            describe=lambda kept: write_json(out / "captions.json", caption_statistics(kept, words)),
            workers=workers,
        )
