"""Whether pictures fit captions of daily life and differ, by an encoder that had no part in training.

    python benchmarks/captions.py --run photographs-64 --photos path/to/photos --clip path/to/encoder.py:Encoder

The folder of photographs holds train2017.zip and captions_train2017.json; of the images that preparing puts into "val"
all first captions get a picture. Prints R-precision among 100 captions, and how much eight pictures of each of the
project's prompts differ, beside what the images get at the pictures' size; those of one theme are the eight whose
captions are nearest to the prompt.
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.meadows import PHOTOS_HELP, held_out, images_of, validation_share
from cvae.evaluation import metrics
from cvae.evaluation.photos import DIVERSITY_PICTURES, score_pictures
from cvae.runs import Run
from cvae.sampling.draw import draw, embed_images, noise_of
from cvae.sampling.prompts import PROMPTS
from cvae.utils.arrays import in_batches, to_uint8
from preprocess.embedding.process import EncoderProcess
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary


def measure(run, drawer, folder, encoder, seed):
    found = held_out(folder, validation_share(run))
    names, captions = zip(*((name, texts[0]) for name, texts in found if texts))
    texts, prompts = (encoder.encode_texts(list(some)) for some in (captions, PROMPTS))
    conditions = run.condition(list(captions))
    pictures = to_uint8(in_batches(drawer.draw, noise_of(drawer, len(names), seed), conditions))
    many = to_uint8(draw(drawer, run.condition(list(PROMPTS)), DIVERSITY_PICTURES, seed))
    images = images_of(folder, names, run.variant.image_size)
    drawn, real, own = (embed_images(some, encoder) for some in (pictures, images, many.reshape(-1, *many.shape[2:])))
    scores = score_pictures(drawn, real, texts, np.arange(len(names)), seed)
    nearest = np.argsort(-prompts @ texts.T, axis=1)[:, :DIVERSITY_PICTURES]
    return {
        "captions": len(names),
        "R-precision": scores["r_precision"]["pictures"],
        "images'": scores["r_precision"]["real"],
        "variety": metrics.diversity(own.reshape(len(PROMPTS), DIVERSITY_PICTURES, -1)),
        "of one theme's images": metrics.diversity(real[nearest]),
    }


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--run", required=True)
    parser.add_argument("--photos", type=pathlib.Path, required=True, help=PHOTOS_HELP)
    parser.add_argument("--clip", required=True, help="the encoder that judges")
    parser.add_argument("--guidance", type=float, help="(default: the run's own)")
    parser.add_argument("--prior", help="embedding prior (default: the run's own)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    run = Run(arguments.run)
    given = {"guidance": arguments.guidance, "prior": arguments.prior}
    drawer = run.open_drawer(**{name: value for name, value in given.items() if value is not None})
    with EncoderProcess(arguments.clip) as encoder:
        figures = measure(run, drawer, arguments.photos, encoder, arguments.seed)
    print(", ".join(f"{name} {value:.3g}" for name, value in figures.items()))


if __name__ == "__main__":
    run_command(main)
