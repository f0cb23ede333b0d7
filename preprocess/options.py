"""Options that several command lines share."""

from preprocess.errors import check_whole
from preprocess.parallel import available_cores


def add_shard_options(parser, out, sizes, shard_size):
    """Adds what says how images are written as shards, with these defaults."""
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=list(sizes), metavar="PX", help=f"default: {' '.join(map(str, sizes))}"
    )
    parser.add_argument("--out", default=out, help="output folder (default: %(default)s)")
    parser.add_argument(
        "--shard-size", type=int, default=shard_size, metavar="N", help="images a shard (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=min(available_cores(), 8), metavar="N", help="default: one a core"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="keep at most N images, to try things out")
    parser.add_argument("--overwrite", action="store_true", help="empty the output folder if made with other settings")


def shard_options(arguments):
    """What `add_shard_options` added, as keyword arguments, except for the folder."""
    names = ("shard_size", "workers", "limit", "overwrite")
    return {"sizes": sorted(set(arguments.sizes))} | {name: getattr(arguments, name) for name in names}


def parse_drawing_options(parser, out, count):
    """Parses the command line of a module that draws pictures by lot.

    Raises:
        UserError: a number that cannot be.
    """
    parser.add_argument("--out", default=out, help="folder for the archive (default: %(default)s)")
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
