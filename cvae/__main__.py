"""The models' command line: `python -m cvae`, the same as the command `cvae`."""

from cvae.cli import main

if __name__ == "__main__":
    main()
