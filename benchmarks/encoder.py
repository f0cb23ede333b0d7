"""How well an encoder of photographs matches held-out images and captions.

    python benchmarks/encoder.py --photos path/to/photos --kinds path/to/meadow
    python benchmarks/encoder.py --photos ... --kinds ... --clip path/to/encoder.py:Class --texts-of photographs

All folders hold train2017.zip and captions_train2017.json, that of `--kinds` labels.csv too: file name and kind. Held
out are the images that preparing puts into "val". R@k: the share of captions whose image is among the k nearest of all
folders'.
"""

import argparse
import pathlib
import sys
import zipfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.meadows import KINDS, PHOTOS_HELP, held_out, kinds_of
from preprocess.embedding.process import EncoderProcess
from preprocess.shards.records import CLIP_SIZE
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary
from preprocess.utils.progress import progress_bar

PART = 64


def encode_files(encoder, folder, names):
    from preprocess.shards.images import square_image

    rows = []
    with zipfile.ZipFile(folder / "train2017.zip") as archive, progress_bar(total=len(names), desc="images") as bar:
        for start in range(0, len(names), PART):
            part = names[start : start + PART]
            squares = [square_image(archive.read(f"train2017/{name}"), CLIP_SIZE) for name in part]
            rows.append(encoder.encode_images(squares))
            bar.update(len(part))
    return np.concatenate(rows)


def measure_photos(encoder, folders, other=None):
    own = {folder: held_out(folder) for folder in folders}
    images = np.concatenate([encode_files(encoder, folder, [name for name, _ in rows]) for folder, rows in own.items()])
    found = [row for rows in own.values() for row in rows]
    texts = [text for _, own in found for text in own]
    ids = np.repeat(np.arange(len(found)), [len(own) for _, own in found])
    embedded = encoder.encode_texts(texts)
    similarities = embedded @ images.T
    ranks = (similarities > similarities[np.arange(len(ids)), ids][:, None]).sum(1)
    figures = {"images": len(found), "captions": len(texts)}
    figures |= {f"R@{k}": float(np.mean(ranks < k)) for k in (1, 5, 10)}
    if other:
        figures["cosine to the other's texts"] = float(np.mean(np.sum(embedded * other.encode_texts(texts), axis=1)))
    return figures


def measure_kinds(encoder, folder):
    kind_of = kinds_of(folder)
    names = [name for name, _ in held_out(folder) if name in kind_of]
    images = encode_files(encoder, folder, names)
    prompts = ["a cow", "a sheep", "a horse", "a goat", "a landscape"]
    guessed = np.argmax(images @ encoder.encode_texts(prompts).T, axis=1)
    kinds = np.array([KINDS.index(kind_of[name]) for name in names])
    return {"meadows": len(names), "right": float(np.mean(guessed == kinds))} | {
        kind: float(np.mean(guessed[kinds == number] == number)) for number, kind in enumerate(KINDS)
    }


def show(figures):
    print(", ".join(f"{name} {value:.3g}" for name, value in figures.items()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--photos", type=pathlib.Path, nargs="+", required=True, help=PHOTOS_HELP)
    parser.add_argument("--kinds", type=pathlib.Path, required=True)
    parser.add_argument("--clip", default="photographs", help="the encoder (default: %(default)s)")
    parser.add_argument("--texts-of", help="another encoder, whose texts are compared")
    arguments = parser.parse_args()
    other = EncoderProcess(arguments.texts_of) if arguments.texts_of else None
    with EncoderProcess(arguments.clip) as encoder:
        show(measure_photos(encoder, arguments.photos, other))
        show(measure_kinds(encoder, arguments.kinds))
    if other:
        other.__exit__()


if __name__ == "__main__":
    run_command(main)
