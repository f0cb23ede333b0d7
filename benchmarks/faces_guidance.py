"""What guidance, steps and samplers buy a flow of faces: attributes right, distances to portraits, diversity.

    python benchmarks/faces_guidance.py --run drawn-faces-64 --data data/drawn-faces/embedded --guidance 1 1.5 2

Measures as `cvae evaluate` does, on as many pictures of validation portraits' attributes, by the same classifier.
"""

import argparse
import dataclasses
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from cvae.evaluation import metrics
from cvae.evaluation.photos import data_to_measure
from cvae.nn.samplers import SAMPLERS, SamplerOptions
from cvae.runs import Run
from cvae.sampling.draw import draw, noise_of
from cvae.systems.faces.conditions import PROMPTS
from cvae.systems.faces.evaluate import DIVERSITY_PICTURES, mean_accuracy, scaled, score_portraits
from cvae.systems.faces.judge import see, train_judge
from cvae.systems.faces.portraits import read_portraits
from cvae.utils.arrays import in_batches
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary


def measure(drawer, judge, portraits, conditions, real, prompts, seed):
    pictures = in_batches(drawer.draw, noise_of(drawer, len(conditions), seed), conditions)
    many = draw(drawer, prompts, DIVERSITY_PICTURES, seed)
    found = score_portraits(judge, pictures, portraits.attributes, real.images / np.float32(255), real.attributes)
    features = scaled(see(judge, many.reshape(-1, *many.shape[2:]))[1])
    return {
        "right": mean_accuracy(found["attributes"])["pictures"],
        "frechet": found["frechet"]["pictures"],
        "cmmd": found["cmmd"]["pictures"],
        "diversity": metrics.diversity(features.reshape(*many.shape[:2], -1)),
    }


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--run", required=True)
    parser.add_argument("--data", help="embedded portraits (default: those that it was trained with)")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 1.25, 1.5, 2.0, 3.0])
    parser.add_argument("--steps", type=int, nargs="+", default=[8])
    parser.add_argument("--sampler", choices=SAMPLERS, nargs="+", default=[SamplerOptions.sampler])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    run = Run(arguments.run)
    info = data_to_measure(run, arguments.data, arguments.count, arguments.seed)
    prompts = run.condition(list(PROMPTS))
    judge = train_judge(info, run.output.parent)
    count = min(arguments.count, info.counts["val"], info.counts["train"] // 2)
    portraits, real = read_portraits(info, "val", count), read_portraits(info, "train", 2 * count)
    conditions = portraits.conditions(run.variant.condition)
    print("| guidance | steps | sampler | attributes right | Frechet | CMMD | diversity |\n" + "|---" * 7 + "|")
    for sampler in arguments.sampler:
        for steps in arguments.steps:
            for guidance in arguments.guidance:
                drawer = run.open_drawer(guidance=guidance, steps=steps)
                drawer.options = dataclasses.replace(drawer.options, sampler=sampler)
                found = measure(drawer, judge, portraits, conditions, real, prompts, arguments.seed)
                figures = f"{found['right']:.1%} | {found['frechet']:.2f} | {found['cmmd']:.3f}"
                print(f"| {guidance:g} | {steps} | {sampler} | {figures} | {found['diversity']:.3f} |", flush=True)


if __name__ == "__main__":
    run_command(main)
