"""Where the time of one `cvae generate` goes, nearly all of it starting.

    python benchmarks/start.py --run demo/run

The whole command, and its parts one after another in a process of their own; the medians of some rounds, which take
turns. The command starts the encoder's process beside TensorFlow, so that it takes less than its parts.
"""

import argparse
import pathlib
import subprocess
import sys
import time

import numpy as np

ROOT = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from preprocess.utils.command import run_command  # noqa: E402
from preprocess.utils.errors import summary  # noqa: E402

PARTS = """
import sys, time
start = time.perf_counter()
def lap(name):
    global start
    print(name, time.perf_counter() - start, sep=":")
    start = time.perf_counter()
from cvae.runs import load_run
run = load_run(sys.argv[1]); lap("NumPy and run.json")
embeddings = run.condition(["a cow"]); lap("the encoder: a process, PyTorch, CLIP, one prompt")
from preprocess.utils.quiet import import_keras
import_keras(); lap("TensorFlow and Keras")
drawer = run.open_drawer(); lap("the model")
from cvae.sampling.draw import draw
rows = draw(drawer, embeddings, 1, 0); lap("drawing one picture")
from cvae.sampling.pictures import Pictures
Pictures(rows, ["a cow"]).grid(); lap("the grid")
"""


def whole(run):
    """Seconds that the command takes."""
    command = [sys.executable, "-m", "cvae", "generate", "--run", run, "a cow", "--count", "1"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    return time.perf_counter() - start


def parts(run):
    """{part: seconds}."""
    command = [sys.executable, "-c", PARTS, str(pathlib.Path(run).resolve())]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return {name: float(seconds) for name, _, seconds in (line.rpartition(":") for line in done.stdout.splitlines())}


def main():
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--run", required=True, help="a run folder of the coursework's model or a flow")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    run = str(pathlib.Path(arguments.run).resolve())
    rounds = [(whole(run), parts(run)) for _ in range(arguments.rounds)]
    total = float(np.median([seconds for seconds, _ in rounds]))
    print(f"{'':<52} {'seconds':>9} {'ratio':>7}")
    print(f"{'cvae generate, one picture':<52} {total:>9.2f} {1:>7.2f}")
    for name in rounds[0][1]:
        seconds = float(np.median([found[name] for _, found in rounds]))
        print(f"{name:<52} {seconds:>9.2f} {seconds / total:>7.2f}")


if __name__ == "__main__":
    run_command(main, again="run it again")
