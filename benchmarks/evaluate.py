"""What evaluating pictures costs beside the CLIP encodings that it needs.

    python benchmarks/evaluate.py                    a CLIP of random weights in ViT-B/32's shape, 1,000 pictures

The pictures are 64 px, once given and once drawn by 64-image at full width. Times of one run are compared only with
each other.
"""

import argparse
import pathlib
import sys
import tempfile
import time

import numpy as np
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from preprocess.utils.command import run_command
from preprocess.utils.errors import summary


class Given:
    """Stands in for a model whose pictures are there already."""

    def __init__(self, pictures):
        self.pictures, self.place = pictures, 0

    def draw(self, noise, embedding):
        self.place += len(noise)
        return self.pictures[self.place - len(noise) : self.place]


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def random_clip(folder):
    """A checkpoint of random weights, made before TensorFlow is imported, which PyTorch cannot follow."""
    from embed import random_vit_b32

    return str(random_vit_b32(folder))


def measure(clip, count):
    """Median seconds for encoding `count` pictures, for evaluating them, and for drawing and evaluating them."""
    from cvae.evaluation.photos import embed_pictures, score_pictures
    from cvae.registry import find_variant
    from cvae.systems.coursework.task import build_model
    from cvae.training.settings import Settings
    from cvae.utils.arrays import BATCH
    from preprocess.embedding.process import EncoderProcess

    rng = np.random.default_rng(0)
    pictures = rng.random((count, 64, 64, 3), np.float32)
    noise = rng.standard_normal((count, 128)).astype(np.float32)
    vectors = rng.standard_normal((2, count, 512)).astype(np.float32)
    texts, images = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    ids = np.arange(count)
    as_images = [Image.fromarray((picture * 255).astype(np.uint8)) for picture in pictures]
    model = build_model(find_variant("64-image"), 512, Settings())
    model.decode(noise[:BATCH], texts[:BATCH])

    def evaluate(model):
        score_pictures(embed_pictures(model, texts, noise, encoder, lambda done: None), images, texts, ids)

    def encode():
        for start in range(0, count, BATCH):
            encoder.encode_images(as_images[start : start + BATCH])

    with EncoderProcess(clip) as encoder:
        encoder.encode_images(as_images[:BATCH])
        # In turns, since a shared machine's speed drifts.
        rounds = [
            (seconds(encode), seconds(lambda: evaluate(Given(pictures))), seconds(lambda: evaluate(model)))
            for _ in range(3)
        ]
    return np.median(rounds, axis=0)


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--clip", help="a CLIP's name or checkpoint (default: random weights in ViT-B/32's shape)")
    parser.add_argument("--count", type=int, default=1000, help="pictures (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone, given, drawn = measure(arguments.clip or random_clip(folder), arguments.count)
    print(f"{f'{arguments.count} pictures':<44} {'seconds':>9} {'ratio':>7}")
    print(f"{'CLIP encodings alone':<44} {alone:>9.1f} {1:>7.2f}")
    print(f"{'evaluating given pictures':<44} {given:>9.1f} {given / alone:>7.2f}")
    print(f"{'drawing them too':<44} {drawn:>9.1f} {drawn / alone:>7.2f}")


if __name__ == "__main__":
    run_command(main, again="run it again")
