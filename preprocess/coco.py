"""From a COCO zip to shards of bucolic photographs, without unzipping it."""

import collections
import csv
import errno
import functools
import hashlib
import io
import itertools
import json
import pathlib
import zipfile

from tqdm import tqdm

from preprocess.captions import find_captions, read_captions, theme_words, word_pattern
from preprocess.errors import UserError, check_whole
from preprocess.files import (
    MANIFEST,
    REJECTED,
    atomic_path,
    is_whole,
    keep_only,
    open_folder,
    write_json,
    write_text,
)
from preprocess.images import BadImage, square_jpegs
from preprocess.parallel import ordered_map
from preprocess.quiet import import_tensorflow
from preprocess.records import SPLITS, encode, split_of

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
ENCRYPTED = 0x1
# COCO's largest is under 1 MB; a member may claim far less than it unpacks to, but zipfile stops at its claim.
MAX_FILE_SIZE = 200 * 10**6
DISK_FAULTS = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV)

Photo = collections.namedtuple("Photo", "image_id member captions")


def list_images(zip_path):
    """Reads a zip's central directory.

    Returns:
        {file name without folders: `zipfile.ZipInfo`} of its images.

    Raises:
        UserError: the zip is missing, truncated, no zip, encrypted, or holds no images.
    """
    path = pathlib.Path(zip_path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; give --zip the archive itself, such as {path / 'train2017.zip'}.")
    if not path.is_file():
        raise UserError(f"{path} not found; give --zip the path of COCO's train2017.zip.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.lower().endswith(IMAGE_ENDINGS)]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} is not a zip or is cut short ({error}); download it again.") from None
    if not members:
        raise UserError(f"{path} holds no .jpg or .png images; give --zip COCO's train2017.zip.")
    if any(info.flag_bits & ENCRYPTED for info in members):
        raise UserError(f"{path} is encrypted; unpack it with its password and zip it again without one.")
    return {pathlib.PurePosixPath(info.filename).name: info for info in members}


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


# One open archive a worker process.
_open_zip = functools.cache(zipfile.ZipFile)


def prepare(photo, zip_path, sizes):
    """Reads and resizes one photograph. Returns ({size: JPEG bytes}, None) or (None, the reason it was rejected)."""
    archive = _open_zip(zip_path)
    try:
        if archive.getinfo(photo.member).file_size > MAX_FILE_SIZE:
            return None, f"larger than {MAX_FILE_SIZE // 10**6} MB"
        data = archive.read(photo.member)
    # A damaged member makes zipfile and its decompressors raise nearly anything. A lost disk is not the image's fault.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FAULTS:
            raise
        return None, f"cannot be read from the zip: {error}"
    try:
        return square_jpegs(data, sizes), None
    except BadImage as error:
        return None, str(error)


def plan_shards(photos, shard_size):
    """{shard name: its photographs}: the split by the id's hash, then `shard_size` at a time in the order of ids."""
    shards = {}
    for split in SPLITS:
        chosen = [photo for photo in photos if split_of(photo.image_id) == split]
        for index, start in enumerate(range(0, len(chosen), shard_size)):
            shards[f"{split}-{index:05d}"] = chosen[start : start + shard_size]
    return shards


def _done_path(out, shard):
    # Written after the shard itself: a shard without it is made again.
    return out / f"{shard}.json"


def _is_done(out, shard):
    path = _done_path(out, shard)
    return path.is_file() and is_whole(out / f"{shard}.tfrecord", json.loads(path.read_text())["bytes"])


def _write_shards(out, shards, zip_path, sizes, workers):
    tf = import_tensorflow()
    todo = {name: photos for name, photos in shards.items() if not _is_done(out, name)}
    total = sum(map(len, shards.values()))
    left = sum(map(len, todo.values()))
    if not left:
        return
    task = functools.partial(prepare, zip_path=str(zip_path), sizes=sizes)
    results = ordered_map(task, itertools.chain.from_iterable(todo.values()), workers)
    with tqdm(total=total, initial=total - left, desc="resizing", unit="image") as bar:
        for name, photos in todo.items():
            rejected = []
            with atomic_path(out / f"{name}.tfrecord") as partial, tf.io.TFRecordWriter(str(partial)) as writer:
                for photo, (jpegs, reason) in zip(photos, results):
                    file_name = pathlib.PurePosixPath(photo.member).name
                    if reason:
                        rejected.append([file_name, reason])
                    else:
                        writer.write(encode(photo.image_id, file_name, photo.captions, jpegs))
                    bar.update()
            size = (out / f"{name}.tfrecord").stat().st_size
            write_json(
                _done_path(out, name), {"count": len(photos) - len(rejected), "rejected": rejected, "bytes": size}
            )


def _finish(out, manifest, shards, words):
    """Writes rejected.csv, captions.json and, last, the complete manifest."""
    done = {name: json.loads(_done_path(out, name).read_text()) for name in shards}
    rejected = sorted(entry for shard in done.values() for entry in shard["rejected"])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("file", "reason"), *rejected])
    write_text(out / REJECTED, table.getvalue())
    gone = {name for name, _ in rejected}
    kept = [p for photos in shards.values() for p in photos if pathlib.PurePosixPath(p.member).name not in gone]
    write_json(out / "captions.json", caption_statistics(kept, words))
    counts = {split: sum(done[name]["count"] for name in shards if name.startswith(split)) for split in SPLITS}
    manifest |= {
        "complete": True,
        "kind": "shards",
        "counts": counts | {"rejected": len(rejected)},
        "caption_counts": {split: _count_captions(kept, split) for split in SPLITS},
        "shards": {f"{name}.tfrecord": {key: done[name][key] for key in ("count", "bytes")} for name in sorted(shards)},
    }
    write_json(out / MANIFEST, manifest)
    return manifest


def _count_captions(photos, split):
    return sum(len(photo.captions) for photo in photos if split_of(photo.image_id) == split)


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


def _fingerprint(photos, images):
    """A hash of everything that goes into the shards: ids, captions, and the zip's own checksums of the images."""
    digest = hashlib.sha256()
    for photo in photos:
        info = images[pathlib.PurePosixPath(photo.member).name]
        digest.update(json.dumps([*photo, info.CRC, info.file_size]).encode())
    return digest.hexdigest()


def _choose(zip_path, captions_path, words, limit):
    """Reads a zip's directory and captions. Returns (captions' path, chosen photographs, their fingerprint)."""
    images = list_images(zip_path)
    captions_path, member = (captions_path, None) if captions_path else find_captions(zip_path)
    photos = choose_photos(images, read_captions(captions_path, member), words, captions_path, limit)
    return captions_path, photos, _fingerprint(photos, images)


def _check_numbers(sizes, shard_size, workers, limit):
    check_whole("shard-size", shard_size, 1)
    check_whole("workers", workers, 1)
    if limit is not None:
        check_whole("limit", limit, 1)
    if not all(16 <= size <= 1024 for size in sizes):
        raise UserError("--sizes must be between 16 and 1024 pixels.")


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
        out: the output folder: `train-*.tfrecord` and `val-*.tfrecord` (see preprocess.records), each with a small
            JSON that marks it done, rejected.csv, captions.json (statistics) and manifest.json.
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
        UserError: numbers that cannot be; see `list_images`, `read_captions`, `choose_photos` and `open_folder`.
    """
    out, zip_path = pathlib.Path(out), pathlib.Path(zip_path)
    _check_numbers(sizes, shard_size, workers, limit)
    words = theme_words(theme, words)
    choose = functools.partial(_choose, captions_path=captions, words=words, limit=limit)
    # In a process of its own, which gives back the half gigabyte that all of COCO's captions take.
    [(captions_path, photos, fingerprint)] = ordered_map(choose, [zip_path], workers=1)
    settings = {
        "zip": zip_path.name,
        "theme": theme,
        "words": words,
        "sizes": sorted(sizes),
        "shard_size": shard_size,
        "limit": limit,
        "photos": fingerprint,
    }
    with open_folder(out, settings, overwrite, inputs=[zip_path, captions_path]) as manifest:
        shards = plan_shards(photos, shard_size)
        if not manifest["complete"] or not all(_is_done(out, name) for name in shards):
            _write_shards(out, shards, zip_path, sorted(sizes), workers)
            manifest = _finish(out, manifest, shards, words)
        if not manifest["counts"]["train"] + manifest["counts"]["val"]:
            keep_only(out, REJECTED)
            raise UserError(f"none of {zip_path}'s matching images can be used; {out / REJECTED} has the reasons.")
    return manifest
