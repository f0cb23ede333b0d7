"""The models' command line: `python -m cvae`, the same as the command `cvae`."""

from cvae.cli import command

if __name__ == "__main__":
    command()
