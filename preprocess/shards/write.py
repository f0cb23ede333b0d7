"""A zip's images as square JPEGs in TFRecord shards, without unzipping it: what all data sets' preparations share."""

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
from collections.abc import Callable, Sequence
from typing import Any

from preprocess.shards.images import BadImage, square_jpegs
from preprocess.shards.records import SPLITS, VALIDATION_SHARE, encode, split_of
from preprocess.utils.errors import UserError, check_whole
from preprocess.utils.files import MANIFEST, REJECTED, atomic_path, is_whole, keep_only, write_json, write_text
from preprocess.utils.parallel import ordered_map
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_tensorflow
from preprocess.utils.types import PathLike

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")
ENCRYPTED = 0x1
# COCO's largest is under 1 MB; a member may claim far less than it unpacks to, but zipfile stops at its claim.
MAX_FILE_SIZE = 200 * 10**6
DISK_FAULTS = (errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV)

# attributes: a tuple of zeros and ones, empty where a data set has none. archive: the path of the zip with the member.
Photo = collections.namedtuple("Photo", "image_id member captions archive attributes", defaults=[()])


def list_images(zip_path: PathLike, wanted: str) -> dict[str, zipfile.ZipInfo]:
    """Reads a zip's central directory.

    Args:
        zip_path: the archive.
        wanted: what it should be, for errors, such as "COCO's train2017.zip".

    Returns:
        {file name without folders: `zipfile.ZipInfo`} of its images.

    Raises:
        UserError: the zip is missing, truncated, no zip, encrypted, or holds no images.
    """
    path = pathlib.Path(zip_path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; give --zip the archive itself, such as {path / wanted.split()[-1]}.")
    if not path.is_file():
        raise UserError(f"{path} not found; give --zip the path of {wanted}.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.lower().endswith(IMAGE_ENDINGS)]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} is not a zip or is cut short ({error}); download it again.") from None
    if not members:
        raise UserError(f"{path} holds no .jpg or .png images; give --zip {wanted}.")
    if any(info.flag_bits & ENCRYPTED for info in members):
        raise UserError(f"{path} is encrypted; unpack it with its password and zip it again without one.")
    return {pathlib.PurePosixPath(info.filename).name: info for info in members}


# One open archive a worker process.
_open_zip = functools.cache(zipfile.ZipFile)


def prepare(photo: Photo, sizes: Sequence[int]) -> tuple[dict[int, bytes] | None, str | None]:
    """Reads and resizes one photograph. Returns ({size: JPEG bytes}, None) or (None, the reason it was rejected)."""
    archive = _open_zip(photo.archive)
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


def share_setting(validation_share: float) -> dict[str, float]:
    """What the settings of a folder hold of the share of validation images: nothing for the usual one."""
    # Folders of version 0.1 have the usual one and no such setting.
    return {} if validation_share == VALIDATION_SHARE else {"validation_share": validation_share}


def plan_shards(
    photos: list[Photo], shard_size: int, validation_share: float = VALIDATION_SHARE
) -> dict[str, list[Photo]]:
    """{shard name: its photographs}: the split by the id's hash, then `shard_size` at a time in the order of ids."""
    shards = {}
    for split in SPLITS:
        chosen = [photo for photo in photos if split_of(photo.image_id, validation_share) == split]
        for index, start in enumerate(range(0, len(chosen), shard_size)):
            shards[f"{split}-{index:05d}"] = chosen[start : start + shard_size]
    return shards


def _done_path(out, shard):
    # Written after the shard itself: a shard without it is made again.
    return out / f"{shard}.json"


def _is_done(out, shard):
    path = _done_path(out, shard)
    return path.is_file() and is_whole(out / f"{shard}.tfrecord", json.loads(path.read_text())["bytes"])


def _write_shards(out, shards, sizes, workers):
    tf = import_tensorflow()
    todo = {name: photos for name, photos in shards.items() if not _is_done(out, name)}
    total = sum(map(len, shards.values()))
    left = sum(map(len, todo.values()))
    if not left:
        return
    task = functools.partial(prepare, sizes=sizes)
    results = ordered_map(task, itertools.chain.from_iterable(todo.values()), workers)
    with progress_bar(total=total, initial=total - left, desc="resizing", unit="image") as bar:
        for name, photos in todo.items():
            rejected = []
            with atomic_path(out / f"{name}.tfrecord") as partial, tf.io.TFRecordWriter(str(partial)) as writer:
                for photo, (jpegs, reason) in zip(photos, results):
                    file_name = pathlib.PurePosixPath(photo.member).name
                    if reason:
                        rejected.append([file_name, reason])
                    else:
                        writer.write(encode(photo.image_id, file_name, photo.captions, jpegs, photo.attributes))
                    bar.update()
            size = (out / f"{name}.tfrecord").stat().st_size
            write_json(
                _done_path(out, name), {"count": len(photos) - len(rejected), "rejected": rejected, "bytes": size}
            )


def _finish(out, manifest, shards, describe):
    """Writes rejected.csv, what `describe` writes and, last, the complete manifest."""
    done = {name: json.loads(_done_path(out, name).read_text()) for name in shards}
    rejected = sorted(entry for shard in done.values() for entry in shard["rejected"])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("file", "reason"), *rejected])
    write_text(out / REJECTED, table.getvalue())
    gone = {name for name, _ in rejected}
    kept = [p for photos in shards.values() for p in photos if pathlib.PurePosixPath(p.member).name not in gone]
    describe(kept)
    counts = {split: sum(done[name]["count"] for name in shards if name.startswith(split)) for split in SPLITS}
    manifest |= {
        "complete": True,
        "kind": "shards",
        "counts": counts | {"rejected": len(rejected)},
        "caption_counts": _count_captions(kept, manifest["settings"].get("validation_share", VALIDATION_SHARE)),
        "shards": {f"{name}.tfrecord": {key: done[name][key] for key in ("count", "bytes")} for name in sorted(shards)},
    }
    write_json(out / MANIFEST, manifest)
    return manifest


def _count_captions(photos, validation_share):
    counts = dict.fromkeys(SPLITS, 0)
    for photo in photos:
        counts[split_of(photo.image_id, validation_share)] += len(photo.captions)
    return counts


def write_photos(
    out: PathLike,
    manifest: dict[str, Any],
    photos: list[Photo],
    describe: Callable[[list[Photo]], Any],
    workers: int = 1,
) -> dict[str, Any]:
    """Writes photographs into a folder as shards; in a folder where this was interrupted, those that are missing.

    Args:
        out: the folder: `train-*.tfrecord` and `val-*.tfrecord` (see preprocess.shards.records), each with a small JSON
            that marks it done, rejected.csv and manifest.json.
        manifest: from `open_folder`, with "sizes" (px) and "shard_size" (images) in its settings.
        photos: a list of `Photo`.
        describe: called with the photographs that were kept, to write what else belongs to the folder.
        workers: processes.

    Returns:
        The manifest.

    Raises:
        UserError: none of the photographs can be used.
    """
    out, settings = pathlib.Path(out), manifest["settings"]
    shards = plan_shards(photos, settings["shard_size"], settings.get("validation_share", VALIDATION_SHARE))
    if not manifest["complete"] or not all(_is_done(out, name) for name in shards):
        _write_shards(out, shards, settings["sizes"], workers)
        manifest = _finish(out, manifest, shards, describe)
    if not manifest["counts"]["train"] + manifest["counts"]["val"]:
        keep_only(out, REJECTED)
        zips = " and ".join(sorted({photo.archive for photo in photos}))
        raise UserError(f"none of the matching images in {zips} can be used; {out / REJECTED} has the reasons.")
    return manifest


def fingerprint(photos: list[Photo], images: dict[str, Any]) -> str:
    """A hash of all that goes into the shards: ids, captions, attributes, and the zip's checksums of the images."""
    digest = hashlib.sha256()
    for photo in photos:
        info = images[pathlib.PurePosixPath(photo.member).name]
        parts = photo.image_id, photo.member, photo.captions, photo.attributes, info.CRC, info.file_size
        digest.update(json.dumps(parts).encode())
    return digest.hexdigest()


def check_numbers(
    sizes: Sequence[int], shard_size: int, workers: int, limit: int | None, validation_share: float = VALIDATION_SHARE
) -> None:
    check_whole("shard-size", shard_size, 1)
    check_whole("workers", workers, 1)
    if limit is not None:
        check_whole("limit", limit, 1)
    if not isinstance(validation_share, float) or not 0.01 <= validation_share <= 0.9:
        raise UserError("--validation-share must be a number from 0.01 to 0.9.")
    if not all(16 <= size <= 1024 for size in sizes):
        raise UserError("--sizes must be between 16 and 1024 pixels.")
