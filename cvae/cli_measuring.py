"""The models' command line, the part that measures: evaluate, compare, nearest, study, win-rates and gallery."""

import argparse
from typing import Any

from cvae.arguments import (
    add_options,
    add_run,
    add_settings,
    defaults_of,
    given_options,
    given_settings,
    open_run,
)
from cvae.registry import find_systems, systems_with, variants_with
from preprocess.utils.command import place_name
from preprocess.utils.errors import counted


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="measure a run on held-out images")
    add_run(parser)
    parser.add_argument("--data", help="what to measure it on (default: what the run was trained with)")
    parser.add_argument(
        "--count", type=int, default=1000,
        help="how many pictures to draw at most, one a caption; for digits, how many images the bounds are measured "
        "on (default: 1000)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same figures (default: 0)")
    add_options(parser, "evaluate")
    parser.set_defaults(function=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> None:
    run = open_run(arguments)
    options = given_options(arguments, "evaluate")
    report = run.evaluate(arguments.data, arguments.count, arguments.seed, **options)
    print(report)
    print(f"Measured {run}: {report.place}.")


def _add_compare(commands: Any) -> None:
    names = [system.name for system in systems_with("compare")]
    parser = commands.add_parser(
        "compare",
        help="train a system's models and show them side by side",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=defaults_of(systems_with("compare")),
    )
    parser.add_argument("--system", choices=names, default=names[0], help="whose models (default: %(default)s)")
    parser.add_argument("--data", help="embedded shards (default: the system's own folder)")
    parser.add_argument("--out", help="output folder, in which finished models stay (default: in runs/)")
    add_options(parser, "compare")
    add_settings(parser)
    parser.set_defaults(function=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    [system] = [system for system in find_systems() if system.name == arguments.system]
    options = given_options(arguments, "compare")
    system.check_options("compare", options, f"comparison of the {system.name}")
    report = system.command("compare")(arguments.data, arguments.out, given_settings(arguments), **options)
    print(report)
    models = len({row["variant"] for row in report.figures})
    print(f"Compared {counted(models, 'model')} in {counted(len(report.figures), 'row')}: {report.place}.")


def _add_nearest(commands: Any) -> None:
    parser = commands.add_parser("nearest", help="show the training images that pictures come nearest to")
    add_run(parser, f"run folder of: {', '.join(variants_with('nearest'))}")
    parser.add_argument(
        "images", type=place_name, nargs="*", metavar="PICTURE", help="files (default: pictures that are drawn now)"
    )
    parser.add_argument("--data", help="what the run was trained with, if that has moved")
    parser.add_argument(
        "--count", type=int, default=200,
        help="held-out images beside them, and pictures to draw, at most (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    add_options(parser, "nearest")
    parser.set_defaults(function=_nearest)


def _nearest(arguments: argparse.Namespace) -> None:
    options = given_options(arguments, "nearest")
    run = open_run(arguments)
    report = run.call("nearest", arguments.images, arguments.data, arguments.count, arguments.seed, **options)
    print(report)
    print(f"Compared with what {run} was trained on: {report.place}.")


def _add_study(commands: Any) -> None:
    parser = commands.add_parser("study", help="make a page on which people choose between two runs, blind")
    parser.add_argument("runs", type=place_name, nargs=2, metavar="RUN", help="the two run folders")
    parser.add_argument("--out", default="study.html", help="the page (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=3, help="pairs a prompt and question (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of noise, order and sides (default: 0)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_study)


def _study(arguments: argparse.Namespace) -> None:
    from cvae.evaluation.study import make_study

    one, other = arguments.runs
    count, page = make_study(one, other, arguments.out, arguments.pairs, arguments.seed, clip=arguments.clip)
    print(f"Wrote {counted(count, 'question')} to {page}; open it in a browser, answer, save the answers.")


def _add_win_rates(commands: Any) -> None:
    parser = commands.add_parser("win-rates", help="count the answers that a study's page saved")
    parser.add_argument("answers", type=place_name, nargs="+", metavar="JSON", help="files that the page saved")
    parser.set_defaults(function=_win_rates)


def _win_rates(arguments: argparse.Namespace) -> None:
    from cvae.evaluation.study import format_win_rates, win_rates

    print(format_win_rates(*win_rates(arguments.answers)))


def _add_gallery(commands: Any) -> None:
    parser = commands.add_parser("gallery", help="draw prompts of drawn scenes and count what is right in the pictures")
    add_run(parser, "run folder of a model trained on drawn scenes, such as demo/run")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    parser.add_argument("--out", help="output folder; what is there stays (default: a new one in the run's gallery/)")
    parser.add_argument("--clip", help="the encoder, if it has moved since the data were embedded")
    parser.set_defaults(function=_gallery)


def _gallery(arguments: argparse.Namespace) -> None:
    from cvae.pasture.gallery import JUDGED_PICTURES, format_table, make_gallery

    table, out = make_gallery(open_run(arguments), arguments.out, arguments.seed, arguments.clip)
    print(format_table(table))
    print(
        f"{table['all']['right']:.1%} of attributes right in {JUDGED_PICTURES} pictures a prompt, of combinations "
        f"that were never drawn for training: {out}/gallery.png."
    )


COMMANDS = (
    _add_evaluate, _add_compare, _add_nearest, _add_study, _add_win_rates, _add_gallery,
)  # fmt: skip
