"""What benchmarks share about folders of photographs: train2017.zip, its captions and, of meadows, labels.csv."""

import csv
import json
import pathlib
import zipfile
from typing import Any

import numpy as np

from preprocess.shards.images import square_image
from preprocess.shards.records import VALIDATION_SHARE, split_of

# What --help says of these folders, and of the judge's.
PHOTOS_HELP = "a folder with train2017.zip and captions_train2017.json, in COCO's format"
MEADOW_HELP = f"{PHOTOS_HELP}, and labels.csv, columns file_name and label"
JUDGE_HELP = "a folder with mobilenet_v2_features.onnx and meadow_judge.npz"
KINDS = ("cow", "sheep", "horse", "goat", "landscape")
LANDSCAPES = ("landscape_summer", "landscape_winter", "mountain", "forest", "glacier")


def kinds_of(folder: pathlib.Path) -> dict[str, str]:
    """{file name: kind} of the images that show one of `KINDS`."""
    with open(folder / "labels.csv", newline="") as file:
        rows = [(row["file_name"], row["label"]) for row in csv.DictReader(file)]
    kinds = {name: "landscape" if label in LANDSCAPES else label for name, label in rows}
    return {name: kind for name, kind in kinds.items() if kind in KINDS}


def validation_share(run: Any) -> float:
    """The --validation-share that a run's data were prepared with."""
    return run.config["data_settings"].get("validation_share", VALIDATION_SHARE)


def held_out(folder: pathlib.Path, share: float = VALIDATION_SHARE) -> list[tuple[str, list[str]]]:
    """[(file name, captions)] of the images that preparing with a --validation-share puts into "val"."""
    text = json.loads((folder / "captions_train2017.json").read_text())
    captions: dict[int, list[str]] = {}
    for annotation in text["annotations"]:
        captions.setdefault(annotation["image_id"], []).append(annotation["caption"])
    return [
        (image["file_name"], captions.get(image["id"], []))
        for image in text["images"]
        if split_of(image["id"], share) == "val"
    ]


def images_of(folder: pathlib.Path, names: list[str], size: int) -> np.ndarray:
    """A folder's images cut square and resized: uint8 (n, size, size, 3)."""
    return read_squares(folder / "train2017.zip", [f"train2017/{name}" for name in names], size)


def read_squares(path: pathlib.Path, names: list[str], size: int) -> np.ndarray:
    """As `images_of`, of a zip, whose names are whole."""
    with zipfile.ZipFile(path) as archive:
        return np.stack([np.asarray(square_image(archive.read(name), size)) for name in names])
