"""What benchmarks share about the photographs of meadows: a folder with train2017.zip, its captions and labels.csv."""

import csv
import json
import pathlib

from preprocess.shards.records import VALIDATION_SHARE, split_of

KINDS = ("cow", "sheep", "horse", "goat", "landscape")
LANDSCAPES = ("landscape_summer", "landscape_winter", "mountain", "forest", "glacier")


def kinds_of(folder: pathlib.Path) -> dict[str, str]:
    """{file name: kind} of the images that show one of `KINDS`."""
    with open(folder / "labels.csv", newline="") as file:
        rows = [(row["file_name"], row["label"]) for row in csv.DictReader(file)]
    kinds = {name: "landscape" if label in LANDSCAPES else label for name, label in rows}
    return {name: kind for name, kind in kinds.items() if kind in KINDS}


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
