"""What hours of training buy: how often the animal is right, and how far pictures are from images, by minutes.

    python benchmarks/costs.py --data photos/embedded --meadow path/to/meadow --judge path/to/encoders

Trains `64-flow` from nothing and, with `--init`, from the weights of another flow, for each number of epochs: one
training that is given more of them each time, as `--resume --epochs` does, its learning rate falling to nearly 0 at
each end. Measures it at each as `benchmarks/animals.py` does, and writes costs.json, a table and `costs.png` into the
output folder; what is there already is not done again, and a training that was interrupted goes on. Minutes are the
number of epochs times the median epoch's, so that an interruption or other work for a while hardly counts.
"""

import argparse
import itertools
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from benchmarks.animals import Judge, add_arguments, measure_held_out, measure_kinds
from cvae.log import read_log
from cvae.runs import Run
from cvae.sampling.pictures import slug
from cvae.training.loop import train
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary
from preprocess.utils.files import write_json

OVER = "over reconstructions'"
PANELS = {"all": "animal right", OVER: "Frechet distance over reconstructions'"}


def train_for(arguments, start, epochs):
    """The flow trained for that many epochs in all, and the minutes that they take."""
    folder = arguments.out / slug(start)
    given = {"epochs": epochs, "width": arguments.width, "seed": arguments.seed}
    if start != "from nothing":
        given["init"] = arguments.init
    train("64-flow", arguments.data, folder, given, resume=True)
    return Run(folder), epochs * statistics.median(row["seconds"] for row in read_log(folder)) / 60


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
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--data", required=True, help="a folder of embedded shards")
    add_arguments(parser)
    parser.add_argument("--init", help="a flow, such as photographs-64, whose weights half of the trainings begin with")
    parser.add_argument("--epochs", type=int, nargs="+", default=[8, 16, 32, 64], help="(default: %(default)s)")
    parser.add_argument("--width", type=float, default=0.5, help="(default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default="runs/costs", help="(default: %(default)s)")
    arguments = parser.parse_args()
    judge, held_out = Judge(arguments.judge), None
    path = arguments.out / "costs.json"
    rows = json.loads(path.read_text()) if path.is_file() else []
    known = {(row["start"], row["epochs"]) for row in rows}
    starts = ["from nothing", *([f"from {arguments.init}"] if arguments.init else [])]
    for start, epochs in itertools.product(starts, sorted(arguments.epochs)):
        if (start, epochs) in known:
            continue
        run, minutes = train_for(arguments, start, epochs)
        # The same for all: they share autoencoder and encoder.
        held_out = held_out or measure_held_out(run, judge, arguments.meadow, arguments.count, arguments.skip)
        found = measure_kinds(run.open_drawer(), held_out, judge, arguments.seed)
        rows.append({"start": start, "epochs": epochs, "minutes": minutes, **found})
        write_json(path, rows)
    print("| | epochs | minutes | animal right | Frechet over reconstructions' |\n|---|---|---|---|---|")
    for row in rows:
        figures = f"{row['minutes']:.0f} | {row['all']:.1%} | {row[OVER]:.2f}"
        print(f"| {row['start']} | {row['epochs']} | {figures} |")
    save_costs(arguments.out / "costs.png", rows)


if __name__ == "__main__":
    run_command(main)
