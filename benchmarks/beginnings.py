"""What beginning with the weights of another flow saves: the loss on held-out data, by minutes of training.

    python benchmarks/beginnings.py --variant 64-flow --width 0.5 --data own/embedded --init photographs-64

Trains the variant from nothing and with `--init`, once for each number of epochs, since the learning rate falls over
all of them. Minutes are the clock's, so let nothing else run; what is there already is not done again.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from cvae.log import best_epoch
from cvae.sampling.pictures import slug
from cvae.training.loop import train
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary


def main() -> None:
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--data", required=True, help="a folder of embedded shards")
    parser.add_argument("--init", required=True, help="a flow, such as photographs-64")
    parser.add_argument("--variant", default="64-flow", help="(default: %(default)s)")
    parser.add_argument("--width", type=float, default=0.5, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="(default: %(default)s)")
    parser.add_argument("--from-init", type=int, nargs="+", default=[1, 4], help="epochs (default: %(default)s)")
    parser.add_argument("--from-nothing", type=int, nargs="+", default=[4, 12], help="epochs (default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default="runs/beginnings", help="(default: %(default)s)")
    arguments = parser.parse_args()
    shared = {"width": arguments.width, "batch_size": arguments.batch_size}
    starts = {"nothing": (arguments.from_nothing, {}), arguments.init: (arguments.from_init, {"init": arguments.init})}
    rows = []
    for start, (numbers, given) in starts.items():
        for epochs in numbers:
            folder = arguments.out / f"{slug(start)}-{epochs}"
            settings = {"epochs": epochs, **shared, **given}
            history = train(arguments.variant, arguments.data, folder, settings, resume=True)
            minutes = sum(row["seconds"] for row in history) / 60
            rows.append(f"| {start} | {epochs} | {minutes:.1f} | {best_epoch(history)['val_loss']:.4f} |")
    print("| from | epochs | minutes | loss on held-out data |\n|---|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    run_command(main)
