"""Options that several command lines share."""

import argparse
from collections.abc import Sequence
from typing import Any

from preprocess.utils.command import place_name
from preprocess.utils.errors import check_whole, counted
from preprocess.utils.parallel import available_cores
from preprocess.utils.types import PathLike

VALIDATION_SHARE = 0.25
# With fewer images a warning says that training will give nothing.
FEW = 100


def add_shard_options(parser: Any, out: PathLike, sizes: Sequence[int], shard_size: int) -> None:
    """Adds what says how images are written as shards, with these defaults."""
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=list(sizes), metavar="PX", help=f"default: {' '.join(map(str, sizes))}"
    )
    parser.add_argument("--out", type=place_name, default=out, help="output folder (default: %(default)s)")
    parser.add_argument(
        "--shard-size", type=int, default=shard_size, metavar="N", help="images a shard (default: %(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=min(available_cores(), 8),
        metavar="N",
        help="processes (default: one a core, 8 at most)",
    )
    parser.add_argument(
        "--validation-share", type=float, default=VALIDATION_SHARE, metavar="S",
        help="share of the images that models are validated with and not trained on (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--limit", type=int, metavar="N", help="keep at most N images, to try things out")
    parser.add_argument("--overwrite", action="store_true", help="empty the output folder if made with other settings")


def add_cluster_option(parser: Any) -> None:
    parser.add_argument(
        "--cluster", metavar="ADDRESS",
        help="a Ray cluster that works in place of this machine, `auto` for the one that this machine belongs to; all "
        "of its machines have to see the files by the same names",
    )  # fmt: skip


def shard_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `add_shard_options` added, as keyword arguments, except for the folder."""
    names = ("shard_size", "workers", "limit", "overwrite", "validation_share")
    return {"sizes": sorted(set(arguments.sizes))} | {name: getattr(arguments, name) for name in names}


def note_few(counts: dict[str, int], noun: str) -> None:
    """Prints a warning where there are too few images, {"train": n, "val": n}, to train anything on."""
    if counts["train"] + counts["val"] < FEW:
        print(
            f"warning: {counted(counts['train'], f'training {noun}')} and {counts['val']} for validation are too few "
            f"to train on: a model wants {FEW} at the very least, and thousands to draw well."
        )


def parse_drawing_options(parser: Any, out: PathLike, count: int) -> argparse.Namespace:
    """Parses the command line of a module that draws pictures by lot.

    Raises:
        UserError: a number that cannot be.
    """
    parser.add_argument("--out", type=place_name, default=out, help="folder for the archive (default: %(default)s)")
    parser.add_argument("--count", type=int, default=count, help="pictures to draw (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    parser.add_argument("--workers", type=int, default=available_cores(), help="processes (default: one a core)")
    parser.add_argument("--overwrite", action="store_true", help="empty the folder if made with other settings")
    arguments = parser.parse_args()
    for option, number, least in (
        ("count", arguments.count, 1), ("workers", arguments.workers, 1), ("seed", arguments.seed, 0),
    ):  # fmt: skip
        check_whole(option, number, least)
    return arguments
