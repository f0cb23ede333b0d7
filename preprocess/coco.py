"""From a COCO zip to shards of bucolic photographs, without unzipping it."""

import functools
import pathlib

from preprocess.captions import find_captions, read_captions, theme_words, word_pattern
from preprocess.errors import UserError
from preprocess.files import open_folder, write_json
from preprocess.parallel import ordered_map
from preprocess.shards import Photo, check_numbers, fingerprint, list_images, write_photos


def choose_photos(images, captions, words, captions_path, limit=None):
    """Chooses the photographs with a caption that holds one of `words`, in the order of their ids.

    Raises:
        UserError: the captions belong to other images, or none matches.
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
            photos.append(Photo(image_id, images[name].filename, tuple(" ".join(text.split()) for text in texts)))
    if not photos:
        raise UserError(f"no caption in {captions_path} holds any of: {', '.join(words)}; try --theme or --words.")
    return sorted(photos)[:limit]


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


def _choose(zip_path, captions_path, words, limit):
    """Reads a zip's directory and captions. Returns (captions' path, chosen photographs, their fingerprint)."""
    images = list_images(zip_path, "COCO's train2017.zip")
    captions_path, member = (captions_path, None) if captions_path else find_captions(zip_path)
    photos = choose_photos(images, read_captions(captions_path, member), words, captions_path, limit)
    return captions_path, photos, fingerprint(photos, images)


def preprocess_coco(
    zip_path,
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
    """Turns a COCO zip into shards of bucolic photographs; run again, it goes on at the first unfinished shard.

    Args:
        zip_path: COCO's train2017.zip or any zip of images with captions in COCO's format.
        out: the output folder: see `preprocess.shards.write_photos`, and captions.json (statistics).
        captions: the captions' JSON; by default looked for beside the zip.
        theme: "small" or "large".
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
    out, zip_path = pathlib.Path(out), pathlib.Path(zip_path)
    check_numbers(sizes, shard_size, workers, limit)
    words = theme_words(theme, words)
    choose = functools.partial(_choose, captions_path=captions, words=words, limit=limit)
    # In a process of its own, which gives back the half gigabyte that all of COCO's captions take.
    [(captions_path, photos, digest)] = ordered_map(choose, [zip_path], workers=1)
    settings = {
        "zip": zip_path.name,
        "theme": theme,
        "words": words,
        "sizes": sorted(sizes),
        "shard_size": shard_size,
        "limit": limit,
        "photos": digest,
    }
    with open_folder(out, settings, overwrite, inputs=[zip_path, captions_path]) as manifest:
        return write_photos(
            out,
            manifest,
            photos,
            zip_path,
            describe=lambda kept: write_json(out / "captions.json", caption_statistics(kept, words)),
            workers=workers,
        )
