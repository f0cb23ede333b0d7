"""Milliseconds a picture, of runs that draw one picture, or several at once.

    taskset -c 0 python benchmarks/drawing.py --run photographs-64 photographs-128      # on one core

Of one prompt, by the run's own options, after the encoder: what `cvae generate` does between loading the model and
writing files. The median of several times; the first, which compiles, does not count.
"""

import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from cvae.runs import Run
from cvae.sampling.draw import draw
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary


def milliseconds(drawer, condition, count, times):
    found = []
    for seed in range(times + 1):
        begun = time.perf_counter()
        draw(drawer, condition, count, seed)
        found.append(1000 * (time.perf_counter() - begun) / count)
    return float(np.median(found[1:]))


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--run", nargs="+", required=True)
    parser.add_argument("--count", type=int, nargs="+", default=[1, 8], help="pictures at once (default: 1 and 8)")
    parser.add_argument("--times", type=int, default=5, help="of each (default: %(default)s)")
    arguments = parser.parse_args()
    for run in map(Run, arguments.run):
        condition, drawer = run.condition(["a brown cow in a green meadow"]), run.open_drawer()
        for count in arguments.count:
            taken = milliseconds(drawer, condition, count, arguments.times)
            print(f"{run}, {count} at once: {taken:.0f} ms a picture", flush=True)


if __name__ == "__main__":
    run_command(main)
