"""Draws pasture scenes into a COCO-like archive: `python -m preprocess.pasture --out data/pasture --count 2500`."""

import argparse

from preprocess.errors import check_whole, run_command
from preprocess.parallel import available_cores
from preprocess.wording import counted


def main():
    parser = argparse.ArgumentParser(prog="python -m preprocess.pasture", description=__doc__.split(":")[0] + ".")
    parser.add_argument("--out", default="data/pasture", help="folder for the archive (default: %(default)s)")
    parser.add_argument("--count", type=int, default=2500, help="pictures to draw (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    parser.add_argument("--workers", type=int, default=available_cores(), help="processes (default: one a core)")
    parser.add_argument("--overwrite", action="store_true", help="empty the folder if made with other settings")
    arguments = parser.parse_args()
    for option, number, least in (
        ("count", arguments.count, 1), ("workers", arguments.workers, 1), ("seed", arguments.seed, 0),
    ):  # fmt: skip
        check_whole(option, number, least)
    from preprocess.pasture.archive import write_archive

    scenes = write_archive(arguments.out, arguments.count, arguments.seed, arguments.workers, arguments.overwrite)
    others = arguments.count - scenes
    print(f"Drew {counted(scenes, 'pasture scene')} and {counted(others, 'other')} into {arguments.out}/train2017.zip.")


if __name__ == "__main__":
    run_command(main)
