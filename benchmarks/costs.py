"""What hours of training buy: how often the animal is right, and how far pictures are from images, by minutes.

    python benchmarks/costs.py --data photos/embedded --meadow path/to/meadow --judge path/to/encoders

Trains `64-flow` for each number of epochs, from nothing and, with `--init`, from the weights of another flow, each with
a learning rate that falls to nearly 0 at its own end; measures them as `benchmarks/animals.py` does, and writes a table
and `costs.png` into the output folder. What is trained already is not trained again. Minutes are the clock's, so let
nothing else run.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.animals import Judge, add_arguments, measure_held_out, measure_kinds
from cvae.log import read_log
from cvae.runs import Run
from cvae.sampling.pictures import slug
from cvae.training.loop import train
from preprocess.utils.errors import run_command

PANELS = {"all": "animal right", "over reconstructions'": "Frechet distance over reconstructions'"}


def train_for(arguments, start, epochs):
    """A flow trained for some epochs, and the minutes that they took."""
    folder = arguments.out / f"{slug(start)}-{epochs}"
    given = {"epochs": epochs, "width": arguments.width, "seed": arguments.seed}
    if start != "from nothing":
        given["init"] = arguments.init
    train("64-flow", arguments.data, folder, given, resume=True)
    return Run(folder), sum(row["seconds"] for row in read_log(folder)) / 60


def save_costs(path, rows):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for place, (name, label) in enumerate(PANELS.items(), 1):
        axes = figure.add_subplot(1, 2, place, xlabel="minutes of training", ylabel=label, xscale="log")
        for start in dict.fromkeys(row["start"] for row in rows):
            own = [row for row in rows if row["start"] == start]
            axes.plot([row["minutes"] for row in own], [row[name] for row in own], marker="o", label=start)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="a folder of embedded shards")
    add_arguments(parser)
    parser.add_argument("--init", help="a flow, such as photographs-64, whose weights half of the trainings begin with")
    parser.add_argument("--epochs", type=int, nargs="+", default=[8, 16, 32, 64], help="(default: %(default)s)")
    parser.add_argument("--width", type=float, default=0.5, help="(default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default="runs/costs", help="(default: %(default)s)")
    arguments = parser.parse_args()
    judge, held_out, rows = Judge(arguments.judge), None, []
    print("| | epochs | minutes | animal right | Frechet over reconstructions' |\n|---|---|---|---|---|")
    for start in ("from nothing", *([f"from {arguments.init}"] if arguments.init else [])):
        for epochs in arguments.epochs:
            run, minutes = train_for(arguments, start, epochs)
            # The same for all: they share autoencoder and encoder.
            held_out = held_out or measure_held_out(run, judge, arguments.meadow, arguments.count)
            row = measure_kinds(run.open_drawer(), held_out, judge, arguments.seed)
            rows.append({"start": start, "minutes": minutes, **row})
            over = row["over reconstructions'"]
            print(f"| {start} | {epochs} | {minutes:.0f} | {row['all']:.1%} | {over:.2f} |", flush=True)
    save_costs(arguments.out / "costs.png", rows)


if __name__ == "__main__":
    run_command(main)
