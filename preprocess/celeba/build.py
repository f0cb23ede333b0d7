"""From CelebA's zip and attributes to shards of portraits with sentences."""

import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from preprocess.celeba.attributes import ATTRIBUTES, TEMPLATES, describe
from preprocess.celeba.table import read_attributes
from preprocess.shards.index import PhotoIndex
from preprocess.shards.names import join_names, short_names
from preprocess.shards.records import VALIDATION_SHARE
from preprocess.shards.write import MADE, check_numbers, fingerprint, share_setting, write_photos
from preprocess.sources.photo import Photo
from preprocess.sources.zips import list_images
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json
from preprocess.utils.folders import open_folder
from preprocess.utils.types import PathLike


def captions_of_attributes(image_id: int, attributes: Any) -> tuple[str, ...]:
    """The sentences that go with a portrait: one that says all, and three that say about half, in other words."""
    rng = np.random.default_rng(image_id)
    return tuple(describe(attributes, rng if template else None, template) for template in range(len(TEMPLATES)))


def choose_portraits(
    images: dict[str, Any],
    zip_path: PathLike,
    rows: dict[str, tuple[int, ...]],
    known: dict[str, str],
    attributes_path: PathLike,
    limit: int | None = None,
) -> list[Photo]:
    """Pairs a zip's images with the rows of attributes.

    Args:
        images: of `preprocess.sources.zips.list_images`, of `zip_path`. rows: of `read_attributes`.
        known: of `join_names`, of both.
        attributes_path: for errors.
        limit: portraits, at most: the first of the rows.

    Returns:
        A list of `Photo`, their ids the numbers of their rows, as CelebA counts them.

    Raises:
        UserError: no image has a row.
    """
    names = short_names(images)
    photos = [
        Photo(
            number, images[known[name]].filename, captions_of_attributes(number, attributes), str(zip_path),
            attributes, names[known[name]], stamp=(images[known[name]].CRC, images[known[name]].file_size),
        )
        for number, (name, attributes) in enumerate(rows.items(), 1)
        if name in known
    ]  # fmt: skip
    if not photos:
        raise UserError(f"{attributes_path} has a row for none of the zip's images; give the file made for this zip.")
    return photos[:limit]


def _left_out(zip_path, images, rows, known, attributes_path):
    """How many images have no row, and rows no image; and those, [(name, reason)]."""
    without_row = sorted(set(images) - set(known.values()))
    without_image = [name for name in rows if name not in known]
    statistics = {"images_without_a_row": len(without_row), "rows_without_an_image": len(without_image)}
    return statistics, [
        *((name, f"without a row in {attributes_path}") for name in without_row),
        *((name, f"a row, but not in {zip_path}") for name in without_image),
    ]


def preprocess_celeba(
    zip_path: PathLike,
    attributes: Any,
    out: PathLike,
    sizes: Sequence[int] = (64,),
    shard_size: int = 2048,
    workers: int = 1,
    limit: int | None = None,
    overwrite: bool = False,
    validation_share: float = VALIDATION_SHARE,
) -> tuple[dict[str, Any], dict[str, int]]:
    """Turns CelebA's zip into shards of portraits with sentences; run again, it goes on at the first unfinished shard.

    Args:
        zip_path: img_align_celeba.zip. attributes: see `read_attributes`.
        out: the output folder, see `write_photos`, and portraits.json: the number of images without a row, of rows
            without an image, and of portraits with each attribute.
        sizes: sides in pixels of the square images in each record.
        shard_size: images a shard. workers: processes. limit: images, at most.
        overwrite: whether to empty an output folder made with other settings.
        validation_share: of the portraits, from 0 to 1.

    Returns:
        (the manifest, what portraits.json holds).

    Raises:
        UserError: numbers that cannot be; see `list_images`, `read_attributes`, `choose_portraits` and `open_folder`.
    """
    out, zip_path = pathlib.Path(out), pathlib.Path(zip_path)
    check_numbers(sizes, shard_size, workers, limit, validation_share)
    images = list_images(zip_path, "CelebA's img_align_celeba.zip")
    rows = read_attributes(attributes)
    known = join_names(rows, images, attributes)
    photos = choose_portraits(images, zip_path, rows, known, attributes, limit)
    settings = {
        "zip": zip_path.name,
        "theme": "portraits",
        "attributes": list(ATTRIBUTES),
        "sizes": sorted(sizes),
        "shard_size": shard_size,
        "limit": limit,
        "photos": fingerprint(photos),
        **share_setting(validation_share),
    }
    statistics, left_out = _left_out(zip_path, images, rows, known, attributes)

    def describe_folder(kept):
        sums = np.sum([photo.attributes for photo in kept] or [[0] * len(ATTRIBUTES)], axis=0)
        counts = dict(zip(ATTRIBUTES, sums.tolist()))
        write_json(out / "portraits.json", statistics | {"portraits_with": counts})

    with (
        tempfile.TemporaryDirectory() as folder,
        open_folder(out, settings, MADE, overwrite, inputs=[zip_path, attributes]) as manifest,
    ):
        index = PhotoIndex(pathlib.Path(folder) / "photos.sqlite")
        index.fill(photos, validation_share)
        return write_photos(out, manifest, index, describe_folder, workers, left_out), statistics
