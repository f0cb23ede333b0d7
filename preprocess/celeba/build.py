"""From CelebA's zip and attributes to shards of portraits with sentences."""

import csv
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from preprocess.celeba.attributes import ATTRIBUTES, TEMPLATES, describe
from preprocess.shards.records import VALIDATION_SHARE
from preprocess.shards.write import Photo, check_numbers, fingerprint, list_images, share_setting, write_photos
from preprocess.utils.errors import UserError, counted
from preprocess.utils.files import open_folder, write_json
from preprocess.utils.types import PathLike

VALUES = {"-1": 0, "0": 0, "1": 1}


def read_attributes(path: PathLike) -> dict[str, tuple[int, ...]]:
    """Reads list_attr_celeba.txt, or the same table as CSV.

    Args:
        path: a file with a header of the 40 names in any order, after a line with the number of rows or not, and then
            rows of a file name and 40 values: -1 or 0, and 1.

    Returns:
        {file name: a tuple of 40 zeros and ones, in the order of `ATTRIBUTES`}, in the order of the rows.

    Raises:
        UserError: no such file, another header, or a row that is not one.
    """
    path = pathlib.Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); give --attributes list_attr_celeba.txt or the CSV."
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text; give --attributes list_attr_celeba.txt or the CSV.") from None
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    split = _split_csv if lines and "," in lines[0][1] else str.split
    # The distributed file begins with the number of rows; a CSV's header begins with the name of the first column.
    stated = int(lines.pop(0)[1]) if lines and lines[0][1].strip().isdigit() else None
    if not lines:
        raise UserError(f"{path} is empty; give --attributes list_attr_celeba.txt or the CSV.")
    order = _read_header(path, split(lines[0][1]))
    rows = {}
    for number, line in lines[1:]:
        name, *values = split(line)
        if len(values) != len(order):
            raise UserError(f"{path} has {len(values)} values in line {number}, not {len(order)}.")
        if wrong := [value for value in values if value not in VALUES]:
            raise UserError(f"{path} has the value '{wrong[0]}' in line {number}; attributes are -1, 0 or 1.")
        if name in rows:
            raise UserError(f"{path} has two rows for {name}, the second in line {number}.")
        rows[name] = tuple(VALUES[values[place]] for place in order)
    if stated not in (None, len(rows)):
        raise UserError(f"{path} says that it has {stated} rows and has {len(rows)}; download it again.")
    return rows


def _split_csv(line):
    return [value.strip() for value in next(csv.reader([line]))]


def _read_header(path, names):
    """The places of `ATTRIBUTES` among a row's values."""
    # A CSV names the column of file names too.
    names = names if names and names[0] in ATTRIBUTES else names[1:]
    if not set(names) & set(ATTRIBUTES):
        raise UserError(f"{path} has no header with CelebA's attributes; give --attributes list_attr_celeba.txt.")
    missing = [name for name in ATTRIBUTES if name not in names]
    if missing:
        raise UserError(f"{path} lacks {counted(len(missing), 'column')}: {', '.join(missing)}.")
    if len(names) != len(ATTRIBUTES):
        unknown = [name for name in names if name not in ATTRIBUTES] or ["a name twice"]
        raise UserError(f"{path} has other columns than CelebA's 40 attributes: {', '.join(unknown)}.")
    return [names.index(name) for name in ATTRIBUTES]


def captions_of_attributes(image_id: int, attributes: Any) -> tuple[str, ...]:
    """The sentences that go with a portrait: one that says all, and three that say about half, in other words."""
    rng = np.random.default_rng(image_id)
    return tuple(describe(attributes, rng if template else None, template) for template in range(len(TEMPLATES)))


def choose_portraits(
    images: dict[str, Any],
    zip_path: PathLike,
    rows: dict[str, tuple[int, ...]],
    attributes_path: PathLike,
    limit: int | None = None,
) -> list[Photo]:
    """Pairs a zip's images with the rows of attributes.

    Args:
        images: of `preprocess.shards.write.list_images`, of `zip_path`. rows: of `read_attributes`.
        attributes_path: for errors.
        limit: portraits, at most: the first of the rows.

    Returns:
        A list of `Photo`, their ids the numbers of their rows, as CelebA counts them.

    Raises:
        UserError: no image has a row.
    """
    photos = [
        Photo(number, images[name].filename, captions_of_attributes(number, attributes), str(zip_path), attributes)
        for number, (name, attributes) in enumerate(rows.items(), 1)
        if name in images
    ]
    if not photos:
        raise UserError(f"{attributes_path} has a row for none of the zip's images; give the file made for this zip.")
    return photos[:limit]


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
    photos = choose_portraits(images, zip_path, rows, attributes, limit)
    settings = {
        "zip": zip_path.name,
        "theme": "portraits",
        "attributes": list(ATTRIBUTES),
        "sizes": sorted(sizes),
        "shard_size": shard_size,
        "limit": limit,
        "photos": fingerprint(photos, images),
        **share_setting(validation_share),
    }
    statistics = {
        "images_without_a_row": len(images.keys() - rows.keys()),
        "rows_without_an_image": len(rows.keys() - images.keys()),
    }

    def describe_folder(kept):
        share = np.mean([photo.attributes for photo in kept], axis=0) if kept else np.zeros(len(ATTRIBUTES))
        counts = {name: round(float(value) * len(kept)) for name, value in zip(ATTRIBUTES, share)}
        write_json(out / "portraits.json", statistics | {"portraits_with": counts})

    with open_folder(out, settings, overwrite, inputs=[zip_path, attributes]) as manifest:
        return write_photos(out, manifest, photos, describe_folder, workers), statistics
