"""Draws faces into a CelebA-like archive: `python -m preprocess.faces --out data/faces --count 3000`."""

import argparse

from preprocess.utils.command import run_command
from preprocess.utils.errors import counted, summary
from preprocess.utils.options import parse_drawing_options


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m preprocess.faces", description=summary(__doc__))
    arguments = parse_drawing_options(parser, "data/faces", 3000)
    from preprocess.faces.archive import ARCHIVE, write_archive

    write_archive(arguments.out, arguments.count, arguments.seed, arguments.workers, arguments.overwrite)
    print(f"Drew {counted(arguments.count, 'face')} into {arguments.out}/{ARCHIVE}.")


if __name__ == "__main__":
    run_command(main)
