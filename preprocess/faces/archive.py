"""Writes drawn faces as an archive and a table in CelebA's format, and their captions in COCO's."""

import functools
import io
import pathlib
import re
import zipfile
from typing import Any

import numpy as np

from preprocess.celeba.attributes import ATTRIBUTES, describe
from preprocess.faces.paint import paint_face
from preprocess.faces.people import sample_person
from preprocess.utils.files import atomic_path, write_json, write_text
from preprocess.utils.folders import MANIFEST, open_folder
from preprocess.utils.parallel import ordered_map
from preprocess.utils.progress import progress_bar
from preprocess.utils.types import PathLike

ARCHIVE, TABLE, CAPTIONS = "img_align_celeba.zip", "list_attr_celeba.txt", "captions_train2017.json"
# The names of the files that are made, for `open_folder`.
MADE = tuple(map(re.escape, (ARCHIVE, TABLE, CAPTIONS)))
# Of the captions' images, far from COCO's ids and the drawn scenes', so that they can be prepared together.
FIRST_ID = 10**12


def draw(index: int, seed: int = 0) -> tuple[bytes, dict[str, bool]]:
    """Draws face number `index`. Returns its JPEG and its attributes, {name: bool}."""
    rng = np.random.default_rng([seed, index])
    person = sample_person(rng)
    buffer = io.BytesIO()
    paint_face(rng, person).save(buffer, "JPEG", quality=92)
    return buffer.getvalue(), person


def write_archive(out: PathLike, count: int, seed: int, workers: int, overwrite: bool = False) -> None:
    """Writes `img_align_celeba.zip`, `list_attr_celeba.txt` and captions to the folder `out`, unless they are there.

    Args:
        out: the folder.
        count: faces. seed: the same seed draws the same faces. workers: processes.
        overwrite: whether to empty a folder made with other settings.

    Raises:
        UserError: see `open_folder`.
    """
    out = pathlib.Path(out)
    with open_folder(out, {"faces": count, "seed": seed}, MADE, overwrite) as manifest:
        if not manifest["complete"]:
            _draw_all(out, count, seed, workers)
            write_json(out / MANIFEST, manifest | {"complete": True, "kind": "faces"})


def _draw_all(out, count, seed, workers):
    rows = []
    captions: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    with atomic_path(out / ARCHIVE) as partial, zipfile.ZipFile(partial, "w") as archive:
        drawn = ordered_map(functools.partial(draw, seed=seed), range(count), workers)
        for index, (jpeg, person) in enumerate(progress_bar(drawn, "drawing", count, unit="face")):
            name = f"{index + 1:06d}.jpg"
            # A fixed date, so that the same seed gives the same bytes.
            archive.writestr(zipfile.ZipInfo(f"img_align_celeba/{name}", (2017, 1, 1, 0, 0, 0)), jpeg)
            rows.append(" ".join([name, *(f"{1 if person[name] else -1:2d}" for name in ATTRIBUTES)]))
            captions["images"].append({"id": FIRST_ID + index, "file_name": name})
            text = describe([person[name] for name in ATTRIBUTES])
            captions["annotations"].append({"id": index + 1, "image_id": FIRST_ID + index, "caption": text})
    write_json(out / CAPTIONS, captions)
    write_text(out / TABLE, "\n".join([str(count), " ".join(ATTRIBUTES) + " ", *rows]) + "\n")
