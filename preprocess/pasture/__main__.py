"""Draws pasture scenes into a COCO-like archive: `python -m preprocess.pasture --out data/pasture --count 2500`."""

import argparse

from preprocess.utils.command import run_command
from preprocess.utils.errors import counted, summary
from preprocess.utils.options import parse_drawing_options


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m preprocess.pasture", description=summary(__doc__))
    arguments = parse_drawing_options(parser, "data/pasture", 2500)
    from preprocess.pasture.archive import write_archive

    scenes = write_archive(arguments.out, arguments.count, arguments.seed, arguments.workers, arguments.overwrite)
    others = arguments.count - scenes
    print(f"Drew {counted(scenes, 'pasture scene')} and {counted(others, 'other')} into {arguments.out}/train2017.zip.")


if __name__ == "__main__":
    run_command(main)
