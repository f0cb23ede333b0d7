"""Drawing at 64 px and going on at 128 px, beside drawing at 128 px at once.

    python benchmarks/upsampling.py --small photographs-64 --run photographs-128 --meadow path/to/meadow \
        --judge path/to/encoders

A picture of the smaller flow is made twice as large, encoded, mixed with noise up to a time, and led from there to a
picture by the larger flow (SDEdit, Meng et al. 2022, arXiv 2108.01073), which so stands in for a trained upsampler such
as unCLIP's; at a time of 0 it is only made larger. For each time what `benchmarks/animals.py` measures, and
milliseconds a picture.
"""

import argparse
import dataclasses
import pathlib
import sys
import time

import numpy as np
from keras import ops

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.animals import Judge, add_arguments, measure_held_out, measure_kinds
from cvae.runs import Run
from cvae.sampling.draw import noise_of
from cvae.utils.arrays import further_noise, in_batches
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary

TIMES = (0.0, 0.25, 0.5, 0.625, 0.75)


class Upsampler:
    """Draws with the smaller flow, and from `begin` on, a time below 1, with the larger."""

    def __init__(self, small, large, begin):
        self.small, self.large, self.begin = small, large, begin
        self.latent_dim = small.latent_dim
        self.steps = round(begin * large.options.steps)

    def draw(self, noise, texts):
        embeddings = self.large.guess(noise, texts)
        small = self.small.draw_embeddings(noise, embeddings)
        side = self.large.image_size
        pictures = np.clip(ops.image.resize(small, (side, side), "bicubic"), 0, 1)
        return in_batches(self._go_on, pictures, noise, embeddings) if self.steps else pictures

    def _go_on(self, pictures, noise, embeddings):
        large = self.large
        latents = (np.asarray(large.encode(pictures)[0]) - np.asarray(large.center)) / np.asarray(large.scale)
        further = further_noise(noise, large.latent_dim).reshape(latents.shape)
        x = (1 - self.begin) * latents + self.begin * further
        options = dataclasses.replace(large.options, steps=self.steps)
        return large.decode(large.integrate(x, embeddings, self.begin, 0.0, options) * large.scale + large.center)


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--small", required=True, help="the run of a flow of half the size")
    parser.add_argument("--run", required=True, help="the run of the larger flow")
    add_arguments(parser)
    arguments = parser.parse_args()
    run, judge = Run(arguments.run), Judge(arguments.judge)
    large, small = run.model(), Run(arguments.small).model()
    held_out = measure_held_out(run, judge, arguments.meadow, arguments.count, arguments.skip)
    drawers = {f"upsampled from a time of {begin:g}": Upsampler(small, large, begin) for begin in TIMES}
    drawers["at once"] = run.open_drawer()
    print("| drawn | kind right | Frechet | milliseconds |\n|---|---|---|---|")
    for label, drawer in drawers.items():
        found = measure_kinds(drawer, held_out, judge, arguments.seed)
        noise, texts = noise_of(drawer, 8, arguments.seed), held_out.texts[:8]
        drawer.draw(noise, texts)
        begun = time.perf_counter()
        drawer.draw(noise, texts)
        milliseconds = 1000 * (time.perf_counter() - begun) / 8
        over = found["over reconstructions'"]
        print(f"| {label} | {found['all']:.1%} | {over:.2f} | {milliseconds:.0f} |", flush=True)


if __name__ == "__main__":
    run_command(main)
