"""Photographs as square JPEGs in TFRecord shards: what all data sets' preparations share."""

import collections
import csv
import functools
import hashlib
import io
import itertools
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from typing_extensions import TypedDict

from preprocess.cluster import joined, map_tasks, there
from preprocess.shards.index import Part, PhotoIndex
from preprocess.shards.records import SPLITS, VALIDATION_SHARE, encode, split_of
from preprocess.sources.open import prepare
from preprocess.sources.photo import Photo
from preprocess.utils.errors import UserError, check_whole
from preprocess.utils.files import atomic_path, is_whole, remove_partials, write_json, write_text
from preprocess.utils.folders import MANIFEST, REJECTED, remove_made
from preprocess.utils.load import read_json
from preprocess.utils.parallel import ordered_map
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_tensorflow
from preprocess.utils.types import PathLike


def share_setting(validation_share: float) -> dict[str, float]:
    """What the settings of a folder hold of the share of validation images: nothing for the usual one."""
    # Folders of version 0.1 have the usual one and no such setting.
    return {} if validation_share == VALIDATION_SHARE else {"validation_share": validation_share}


def plan_shards(photos: PhotoIndex, shard_size: int) -> dict[str, Part]:
    """{shard name: its part of the photographs}: of each split `shard_size` at a time in the order of ids."""
    shards = {}
    for split in SPLITS:
        total = photos.count(split)
        for number, start in enumerate(range(0, total, shard_size)):
            shards[f"{split}-{number:05d}"] = Part(split, start, min(shard_size, total - start))
    return shards


def _done_path(out, shard):
    # Written after the shard itself: a shard without it is made again.
    return out / f"{shard}.json"


# The names of the files that a preparation makes, for `open_folder`.
MADE = (r"(train|val)-\d+\.(tfrecord|json)", r"captions\.json", r"portraits\.json")


class Done(TypedDict):
    """What is kept of a shard that is done: records, bytes, and [[name, reason]] of images that cannot be used."""

    count: int
    bytes: int
    rejected: list[list[str]]


def _read_done(out, shard) -> Done:
    return read_json(_done_path(out, shard), "run the same command again, which makes that shard again", Done)


def _is_done(out, shard, part):
    try:
        done = _read_done(out, shard)
    except UserError:  # not there yet, or damaged
        return False
    told = done["count"] + len(done["rejected"]) == part.size and all(len(row) == 2 for row in done["rejected"])
    return told and is_whole(out / f"{shard}.tfrecord", done["bytes"])


def _write_shards(out, index, shards, sizes, workers, cluster):
    todo = {name: part for name, part in shards.items() if not _is_done(out, name, part)}
    total = sum(part.size for part in shards.values())
    left = sum(part.size for part in todo.values())
    if not left:
        return
    task = functools.partial(prepare, sizes=sizes)
    with progress_bar(total=total, initial=total - left, desc="resizing", unit="image") as bar:
        if cluster:
            for count in _write_elsewhere(cluster, out, index, todo, task):
                bar.update(count)
            remove_partials(out)
            return
        results = ordered_map(task, itertools.chain.from_iterable(map(index.photos, todo.values())), workers)
        for name, part in todo.items():
            write_shard(out, name, index.photos(part), results, bar.update)


def _write_elsewhere(cluster, out, index, todo, task):
    """Has a cluster write shards. Yields how many photographs each had, as they are done."""

    def photos(part):
        return [photo._replace(archive=there(photo.archive)) for photo in index.photos(part)]

    with joined(cluster) as ray:
        shards = ((there(out), name, photos(part), task) for name, part in todo.items())
        yield from map_tasks(ray, _write_one, shards)


def _write_one(out: str, name: str, photos: list[Photo], task: Callable[[Photo], Any]) -> int:
    write_shard(pathlib.Path(out), name, photos, map(task, photos), lambda: None, alone=False)
    return len(photos)


def write_shard(
    out: pathlib.Path,
    name: str,
    photos: Iterable[Photo],
    results: Iterable[Any],
    advance: Callable[[], Any],
    alone: bool = True,
) -> None:
    """Writes one shard and, last, what marks it as done.

    Args:
        out: the folder. name: the shard's. photos: its photographs. results: what `prepare` gave for each.
        advance: called after each. alone: see `atomic_path`.
    """
    rejected, written = [], 0
    writer_class = import_tensorflow().io.TFRecordWriter
    with atomic_path(out / f"{name}.tfrecord", alone) as partial, writer_class(str(partial)) as writer:
        for photo, (jpegs, reason) in zip(photos, results):
            if reason:
                rejected.append([photo.name, reason])
            else:
                writer.write(encode(photo.image_id, photo.name, photo.captions, jpegs, photo.attributes))
                written += 1
            advance()
    size = (out / f"{name}.tfrecord").stat().st_size
    write_json(_done_path(out, name), {"count": written, "rejected": rejected, "bytes": size})


def _finish(out, manifest, index, shards, describe, left_out):
    """Writes rejected.csv, what `describe` writes and, last, the complete manifest."""
    done = {name: _read_done(out, name) for name in shards}
    rejected = sorted(tuple(entry) for shard in done.values() for entry in shard["rejected"])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("file", "reason"), *rejected, *left_out])
    write_text(out / REJECTED, table.getvalue())

    def kept() -> Iterator[Photo]:
        # A source may have a name twice.
        gone = collections.Counter(name for name, _ in rejected)
        for photo in index:
            if gone[photo.name]:
                gone[photo.name] -= 1
            else:
                yield photo

    counts = {split: sum(done[name]["count"] for name in shards if name.startswith(split)) for split in SPLITS}
    left, caption_counts = _count(kept(), manifest["settings"].get("validation_share", VALIDATION_SHARE))
    written = sum(counts.values())
    if not written == left == len(index) - len(rejected):
        raise RuntimeError(f"of {len(index)} photographs {counts} were written and {len(rejected)} rejected")
    describe(kept())
    manifest |= {
        "complete": True,
        "kind": "shards",
        "counts": counts | {"rejected": len(rejected)},
        "caption_counts": caption_counts,
        "shards": {f"{name}.tfrecord": {key: done[name][key] for key in ("count", "bytes")} for name in sorted(shards)},
    }
    write_json(out / MANIFEST, manifest)
    return manifest


def _count(photos, validation_share):
    """How many photographs there are, and how many captions of each split."""
    total, captions = 0, dict.fromkeys(SPLITS, 0)
    for photo in photos:
        total += 1
        captions[split_of(photo.image_id, validation_share)] += len(photo.captions)
    return total, captions


def write_photos(
    out: PathLike,
    manifest: dict[str, Any],
    photos: PhotoIndex,
    describe: Callable[[Iterator[Photo]], Any],
    workers: int = 1,
    left_out: Sequence[tuple[str, str]] = (),
    cluster: str | None = None,
) -> dict[str, Any]:
    """Writes photographs into a folder as shards; in a folder where this was interrupted, those that are missing.

    Args:
        out: the folder: `train-*.tfrecord` and `val-*.tfrecord` (see preprocess.shards.records), each with a small JSON
            that marks it done, rejected.csv and manifest.json.
        manifest: from `open_folder`, with "sizes" (px) and "shard_size" (images) in its settings.
        photos: them, with the split that the manifest's settings say.
        describe: called with the photographs that were kept, to write what else belongs to the folder.
        workers: processes.
        left_out: [(name, reason)] of what else is not used, for rejected.csv.
        cluster: the address of a Ray cluster whose machines see the folder and the sources, see `preprocess.cluster`,
            in place of workers here.

    Returns:
        The manifest.

    Raises:
        UserError: none of the photographs can be used.
    """
    out, settings = pathlib.Path(out), manifest["settings"]
    shards = plan_shards(photos, settings["shard_size"])
    if not manifest["complete"] or not all(_is_done(out, *shard) for shard in shards.items()):
        _write_shards(out, photos, shards, settings["sizes"], workers, cluster)
        manifest = _finish(out, manifest, photos, shards, describe, left_out)
    if not manifest["counts"]["train"] + manifest["counts"]["val"]:
        remove_made(out, MADE, keep=REJECTED)
        places = " and ".join(sorted({photo.archive for photo in photos}))
        raise UserError(f"none of the matching images in {places} can be used; {out / REJECTED} has the reasons.")
    return manifest


def fingerprint(photos: Iterable[Photo]) -> str:
    """A hash of all that goes into the shards: ids, captions, attributes, and what tells images from others."""
    digest = hashlib.sha256()
    for photo in photos:
        parts = photo.image_id, photo.member, photo.captions, photo.attributes, *photo.stamp
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
