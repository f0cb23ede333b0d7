"""The models' command line, the part for others: presets, publish and app."""

import argparse
from typing import Any

from cvae.arguments import add_run, open_run
from preprocess.utils.command import place_name


def _add_presets(commands: Any) -> None:
    parser = commands.add_parser(
        "presets", help="list the models that come along, what they learned, and their figures"
    )
    parser.set_defaults(function=_presets)


def _presets(arguments: argparse.Namespace) -> None:
    from cvae.presets.table import presets

    print("\n".join(preset.describe() for preset in presets()))


def _add_publish(commands: Any) -> None:
    parser = commands.add_parser("publish", help="put a run on the Hugging Face Hub, with a card and pictures")
    add_run(parser)
    parser.add_argument("address", type=place_name, metavar="hf://USER/NAME", help="where; `hf auth login` comes first")
    parser.add_argument("--private", action="store_true", help="for yourself alone")
    parser.add_argument(
        "--licence", default="other", help="of the weights, as the Hub names it, such as mit (default: other)"
    )
    parser.set_defaults(function=_publish)


def _publish(arguments: argparse.Namespace) -> None:
    from cvae.publish import publish

    address = publish(open_run(arguments), arguments.address, arguments.private, arguments.licence)
    print(f"Published it at {address}.")


def _add_app(commands: Any) -> None:
    parser = commands.add_parser("app", help="open a page in the browser to draw on")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--run", help="a run folder to begin with (default: the presets)")
    which.add_argument("--preset", metavar="NAME", help="the preset to begin with (default: photographs-128)")
    parser.add_argument("--port", type=int, help="of the page on this machine (default: the first free from 7860 on)")
    parser.add_argument("--share", action="store_true", help="show it to others too, by an address of Gradio's")
    parser.add_argument("--quiet", action="store_true", help="do not open a browser")
    parser.set_defaults(function=_app)


def _app(arguments: argparse.Namespace) -> None:
    from cvae.app.page import open_page

    first = open_run(arguments) if arguments.run or arguments.preset else None
    open_page(first, arguments.port, arguments.share, not arguments.quiet).wait()


COMMANDS = (_add_presets, _add_publish, _add_app)
