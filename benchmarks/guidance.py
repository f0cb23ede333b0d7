"""Obedience against variety of a flow's pictures, for ways and strengths of guidance.

    python benchmarks/guidance.py --run photographs-64 --meadow path/to/meadow --judge path/to/encoders

For each setting: the share of pictures of held-out captions in which the judge of `benchmarks/animals.py` sees the
animal, their Frechet distance over that of reconstructions, and how much eight pictures of one prompt differ in the
run's encoder's space, as `cvae evaluate` measures it. The settings are guidance all the way, in an interval of times
(Kynkäänniemi et al. 2024, arXiv 2404.07724), that with another image's embedding for each picture (`--prior gaussian`),
with such a one or none in the steps before guidance alone, or with noise of a length in the embedding, and, with
`--weak RUN`, away from a weaker flow that is given the same condition (autoguidance, Karras et al. 2024, arXiv
2406.02507). Writes a table and `--out`.png, what each buys of the one for how much of the other.
"""

import argparse
import dataclasses
import pathlib
import sys

import numpy as np
from keras import ops

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.animals import Judge, add_arguments, measure_held_out, measure_kinds
from cvae.evaluation import metrics
from cvae.evaluation.photos import DIVERSITY_PICTURES
from cvae.nn.samplers import SamplerOptions, integrate, times_between
from cvae.runs import Run
from cvae.sampling.draw import draw, embed_images
from cvae.sampling.prompts import PROMPTS
from cvae.systems.flow.draw import FlowDrawer
from cvae.utils.arrays import further_noise, in_batches, to_uint8
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary

GUIDANCES = (1.0, 2.0, 3.0, 4.5, 6.0, 8.0)
# Times, 1 is noise: all; all but the first steps; and neither the first nor the last.
INTERVALS = ((0.0, 1.0), (0.0, 0.8), (0.2, 0.8))
# The interval that is tried with other embeddings too, and by the default scale with noise of these lengths.
VARIED = INTERVALS[1]
NOISES = (0.3, 0.6, 0.9)
AUTOGUIDANCES = (1.5, 2.0, 3.0)


class LaidOutDrawer(FlowDrawer):
    """Draws the first steps, which settle what is where, by another prior's embedding, or with None by no condition."""

    def __init__(self, model, options, first):
        super().__init__(model, options)
        self.first = first

    def draw(self, noise, texts):
        model, first = self.model, self.first
        layout = model.guess(noise, texts, first) if first else np.zeros((len(texts), model.condition_dim), np.float32)
        return in_batches(self._draw, noise.reshape(-1, *model.shape), layout, self.guess(noise, texts))

    def _draw(self, x, layout, condition):
        model, steps = self.model, self.options.steps
        early = int(np.sum(times_between(1.0, 0.0, steps)[:-1] > self.options.interval[1] + 1e-6))
        x = model.integrate(x, layout, 1.0, 1 - early / steps, SamplerOptions(1.0, early))
        options = dataclasses.replace(self.options, steps=steps - early)
        x = model.integrate(x, condition, 1 - early / steps, 0.0, options)
        return model.decode(x * np.asarray(model.scale) + np.asarray(model.center))


class NoisyDrawer(FlowDrawer):
    """Draws each picture with noise of its own in its embedding, of some length beside the embedding's 1."""

    def __init__(self, model, options, length):
        super().__init__(model, options)
        self.length = length

    def guess(self, noise, texts):
        guessed = super().guess(noise, texts)
        blurred = guessed + self.length * further_noise(noise, guessed.shape[1]) / guessed.shape[1] ** 0.5
        return (blurred / np.linalg.norm(blurred, axis=1, keepdims=True)).astype(np.float32)


class AutoguidedDrawer:
    """Draws away from what a weaker flow of the same latents draws for the same condition."""

    def __init__(self, strong, weak, guidance, steps):
        self.strong, self.weak, self.guidance = strong, weak, guidance
        self.times = ops.convert_to_tensor(times_between(1.0, 0.0, steps))
        self.latent_dim = strong.latent_dim

    def draw(self, noise, texts):
        conditions = self.strong.guess(noise, texts)
        x = np.reshape(noise, (-1, *self.strong.shape))
        latents = in_batches(self._integrate, x, conditions) * np.asarray(self.strong.scale) + np.asarray(
            self.strong.center
        )
        return in_batches(self.strong.decode, latents)

    def _integrate(self, *arrays):
        x, condition = (ops.convert_to_tensor(array, "float32") for array in arrays)
        return integrate(self._velocity, x, condition, self.times, None, SamplerOptions.sampler)

    def _velocity(self, question):
        strong, weak = self.strong.network(question), self.weak.network(question)
        return weak + self.guidance * (strong - weak)


def drawers(model, weak, steps):
    """{(way, guidance, or the noise's length): what draws}."""
    found = {}
    for first, last in INTERVALS:
        way = "all the way" if (first, last) == (0, 1) else f"from {last:g} to {first:g}"
        for guidance in GUIDANCES[0 if (first, last) == (0, 1) else 2 :]:
            options = SamplerOptions(guidance, steps, interval=(first, last))
            found[way, guidance] = FlowDrawer(model, options)
            if (first, last) == VARIED:
                found[f"{way}, gaussian", guidance] = FlowDrawer(model, options, "gaussian")
                found[f"{way}, gaussian before", guidance] = LaidOutDrawer(model, options, "gaussian")
                found[f"{way}, nothing before", guidance] = LaidOutDrawer(model, options, None)
    for length in NOISES:
        found["noise of this length", length] = NoisyDrawer(model, SamplerOptions(steps=steps, interval=VARIED), length)
    for guidance in AUTOGUIDANCES if weak else ():
        found["away from the weaker flow", guidance] = AutoguidedDrawer(model, weak, guidance, steps)
    return found


def save_plane(path, rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="variety of a prompt's pictures", ylabel="animal right")
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        axes.plot([row["variety"] for row in own], [row["all"] for row in own], marker="o", label=way)
        for row in own:
            axes.annotate(f" {row['guidance']:g}", (row["variety"], row["all"]), fontsize=8)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--run", required=True)
    add_arguments(parser)
    parser.add_argument("--weak", help="the run of a weaker flow of the same latents, such as an early snapshot")
    parser.add_argument("--steps", type=int, default=SamplerOptions.steps)
    parser.add_argument("--out", type=pathlib.Path, default="guidance", help="(default: %(default)s.png)")
    arguments = parser.parse_args()
    run = Run(arguments.run)
    judge = Judge(arguments.judge)
    held_out = measure_held_out(run, judge, arguments.meadow, arguments.count, arguments.skip)
    model, weak = run.model(), arguments.weak and Run(arguments.weak).model()
    rows = []
    print("| guidance | | animal right | Frechet | variety |\n|---|---|---|---|---|")
    with run.encoder.open() as encoder:
        prompts = encoder.encode_texts(list(PROMPTS))
        for (way, guidance), drawer in drawers(model, weak, arguments.steps).items():
            row = measure_kinds(drawer, held_out, judge, arguments.seed)
            many = draw(drawer, prompts, DIVERSITY_PICTURES, arguments.seed)
            own = embed_images(to_uint8(many.reshape(-1, *many.shape[2:])), encoder)
            variety = metrics.diversity(own.reshape(len(PROMPTS), DIVERSITY_PICTURES, -1))
            rows.append({"way": way, "guidance": guidance, "variety": variety, **row})
            over = row["over reconstructions'"]
            print(f"| {way} | {guidance:g} | {row['all']:.1%} | {over:.2f} | {variety:.3f} |", flush=True)
    save_plane(arguments.out.with_suffix(".png"), rows)


if __name__ == "__main__":
    run_command(main)
