"""What a second host brings: `64-flow` trained on JAX by one process, and by two that share each batch, a core each.

    python benchmarks/hosts.py --data pasture/embedded

On Linux, whose processes can be held to a core. Both are processes of one machine and talk by its own sockets, so this
is what the sharing itself costs; the network between two machines comes to it.
"""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from cvae.log import read_log
from preprocess.utils.command import run_command
from preprocess.utils.errors import summary

ROOT = pathlib.Path(__file__).parents[1]
# The first epoch compiles.
COMPILES = 1


def seconds_an_epoch(arguments, folder, count):
    """The median, of `count` processes; each is held to a core of its own."""
    with socket.create_server(("localhost", 0)) as server:
        address = f"localhost:{server.getsockname()[1]}"
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_NUM_CPU_DEVICES": "1"}
    command = [sys.executable, "-m", "cvae", "train", "--variant", "64-flow", "--data", arguments.data, "--run", folder]
    command += ["--epochs", arguments.epochs, "--width", arguments.width, "--batch-size", arguments.batch_size]
    cores, processes = sorted(os.sched_getaffinity(0))[:count], []
    for number, core in enumerate(cores):
        own = ["--coordinator", address, "--hosts", count, "--host", number] if count > 1 else []
        given = ["taskset", "-c", *map(str, [core, *command, *own])]
        processes.append(subprocess.Popen(given, cwd=ROOT, env=environment))
    assert [process.wait() for process in processes] == [0] * count
    return statistics.median(row["seconds"] for row in read_log(folder)[COMPILES:])


def main() -> None:
    parser = argparse.ArgumentParser(description=summary(__doc__))
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a folder of embedded shards")
    parser.add_argument("--epochs", type=int, default=4, help="(default: %(default)s)")
    parser.add_argument("--width", type=float, default=0.25, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="(default: %(default)s)")
    arguments = parser.parse_args()
    arguments.data = arguments.data.resolve()
    with tempfile.TemporaryDirectory() as name:
        found = {count: seconds_an_epoch(arguments, pathlib.Path(name) / str(count), count) for count in (1, 2)}
    print("| processes | seconds an epoch | ratio |\n|---|---|---|")
    for count, seconds in found.items():
        print(f"| {count} | {seconds:.1f} | {found[1] / seconds:.2f} |")


if __name__ == "__main__":
    run_command(main)
