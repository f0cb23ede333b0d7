"""How near autoencoders' reconstructions come to held-out images.

    python benchmarks/autoencoder.py --run autoencoder --photos path/to/photos path/to/meadow --judge path/to/encoders

Each folder of `--photos` holds train2017.zip and captions_train2017.json; of the images that preparing puts into "val"
for all runs, `--count` are taken from all over. `--portraits` names a zip of CelebA's. Prints for each, at 64 and at
128 px, the mean PSNR and, in the features of the judge of `benchmarks/animals.py`, the Frechet distance of
reconstructions of one half to the images of the other, beside that of images.
"""

import argparse
import pathlib
import sys
import zipfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.animals import Judge
from benchmarks.meadows import JUDGE_HELP, PHOTOS_HELP, held_out, read_squares, validation_share
from cvae.evaluation.metrics import frechet_distance
from cvae.evaluation.photos import measure_reconstructions
from cvae.runs import Run
from cvae.utils.arrays import in_batches, to_uint8
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary

SIZES = 64, 128


def spread(names, count):
    return [names[place] for place in np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)]


def sources(share, arguments):
    """[(what it is, the zip, names in it)] of images that runs of this --validation-share were not trained on."""
    for folder in arguments.photos:
        names = [f"train2017/{name}" for name, _ in held_out(folder, share)]
        yield folder.name, folder / "train2017.zip", spread(names, arguments.count)
    if path := arguments.portraits:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".jpg")]
        yield path.stem, path, spread(names, arguments.count)


def measure(model, images, judge, real):
    """Figures of images' reconstructions; real: the judge's features of the images, None without a judge."""
    pixels = images / np.float32(255)
    decoded = in_batches(lambda batch: model.decode(model.encode(batch)[0]), pixels)
    figures = {"PSNR": measure_reconstructions(pixels, decoded)["psnr"]}
    if judge:
        figures["Frechet"] = frechet_distance(judge.features(to_uint8(decoded))[::2], real[1::2])
        figures["of images"] = frechet_distance(real[::2], real[1::2])
    return figures


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--run", nargs="+", required=True)
    parser.add_argument("--photos", type=pathlib.Path, nargs="*", default=[], help=PHOTOS_HELP)
    parser.add_argument("--portraits", type=pathlib.Path)
    parser.add_argument("--judge", type=pathlib.Path, help=JUDGE_HELP)
    parser.add_argument("--count", type=int, default=400, help="(default: %(default)s)")
    arguments = parser.parse_args()
    judge = Judge(arguments.judge) if arguments.judge else None
    models = {run: run.model() for run in map(Run, arguments.run)}
    # The same images for all: what a smaller share holds out, a larger one does too.
    share = min(map(validation_share, models))
    for what, path, names in sources(share, arguments):
        for size in SIZES:
            images = read_squares(path, names, size)
            real = judge.features(images) if judge else None
            for run, model in models.items():
                figures = measure(model, images, judge, real)
                values = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
                print(f"{run}, {len(names)} of {what}, {size} px: {values}", flush=True)


if __name__ == "__main__":
    run_command(main)
