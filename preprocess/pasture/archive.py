"""Writes drawn scenes as an archive in COCO's format, with what was drawn as labels."""

import dataclasses
import functools
import io
import json
import pathlib
import zipfile
from typing import Any

import numpy as np

from preprocess.pasture.paint import HEIGHT_PX, WIDTH, paint_other, paint_scene
from preprocess.pasture.scenes import captions, other_captions, sample_scene
from preprocess.utils.files import atomic_path, write_json
from preprocess.utils.folders import MANIFEST, open_folder
from preprocess.utils.parallel import ordered_map
from preprocess.utils.progress import progress_bar
from preprocess.utils.types import PathLike

OTHER_SHARE = 0.2
# The names of the files that are made, for `open_folder`.
MADE = (r"train2017\.zip", r"captions_train2017\.json", r"labels\.json")


def draw(index: int, seed: int = 0) -> tuple[bytes, list[str], dict[str, str] | None]:
    """Draws picture number `index`. Returns its JPEG, its captions and its labels (None for other scenes)."""
    rng = np.random.default_rng([seed, index])
    if rng.random() < OTHER_SHARE:
        place = ("kitchen", "street")[rng.integers(2)]
        image, texts, labels = paint_other(rng, place), other_captions(rng, place), None
    else:
        scene = sample_scene(rng)
        image, texts, labels = paint_scene(rng, scene), captions(rng, scene), dataclasses.asdict(scene)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue(), texts, labels


def write_archive(out: PathLike, count: int, seed: int, workers: int, overwrite: bool = False) -> int:
    """Writes `train2017.zip`, `captions_train2017.json` and `labels.json` to the folder `out`, unless they are there.

    labels.json maps an image's id to its attributes, by which pictures can be judged against prompts.

    Args:
        out: the folder.
        count: pictures, of which about a fifth are no pasture scenes.
        seed: the same seed draws the same pictures.
        workers: processes.
        overwrite: whether to empty a folder made with other settings.

    Returns:
        The number of pasture scenes.

    Raises:
        UserError: see `open_folder`.
    """
    out = pathlib.Path(out)
    with open_folder(out, {"count": count, "seed": seed}, MADE, overwrite) as manifest:
        if not manifest["complete"]:
            manifest |= {"complete": True, "kind": "pasture", "scenes": _draw_all(out, count, seed, workers)}
            write_json(out / MANIFEST, manifest)
    return manifest["scenes"]


def _draw_all(out, count, seed, workers):
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    labels: dict[int, dict[str, str]] = {}
    with atomic_path(out / "train2017.zip") as partial, zipfile.ZipFile(partial, "w") as archive:
        drawn = ordered_map(functools.partial(draw, seed=seed), range(count), workers)
        for index, (jpeg, texts, scene) in enumerate(progress_bar(drawn, "drawing", count, unit="picture")):
            image_id, name = index + 1, f"{index + 1:012d}.jpg"
            # A fixed date, so that the same seed gives the same bytes.
            archive.writestr(zipfile.ZipInfo(f"train2017/{name}", (2017, 1, 1, 0, 0, 0)), jpeg)
            images.append({"id": image_id, "file_name": name, "width": WIDTH, "height": HEIGHT_PX})
            for text in texts:
                annotations.append({"id": len(annotations) + 1, "image_id": image_id, "caption": text})
            if scene:
                labels[image_id] = scene
    write_json(out / "labels.json", labels)
    with atomic_path(out / "captions_train2017.json") as partial:
        info = {"description": "drawn pasture scenes", "seed": seed}
        dataset = {"info": info, "licenses": [], "images": images, "annotations": annotations}
        partial.write_text(json.dumps(dataset))
    return len(labels)
