"""The models' command line. It names no system: what each can do, and with which options, is in the registry."""

import argparse
import pathlib
import sys
from typing import Any

import cvae
from cvae.arguments import (
    EXAMPLES,
    add_options,
    add_run,
    add_train_options,
    check_not_empty,
    defaults_of,
    given_options,
    given_settings,
    list_of,
    open_run,
    read_prompts,
)
from cvae.cli_measuring import COMMANDS as MEASURING
from cvae.cli_sharing import COMMANDS as SHARING
from cvae.registry import find_systems, systems_with, variants_with
from preprocess.utils.command import leave, place_name, run_command
from preprocess.utils.errors import counted


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a variant on embedded shards",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=defaults_of(find_systems()),
    )
    parser.add_argument(
        "--variant", metavar="NAME", help="what to train, see `cvae variants`; with --resume not needed"
    )
    parser.add_argument(
        "--data",
        help="embedded shards, or for digits a folder with MNIST's four files or `download` (default: see below; "
        "with --resume the run's)",
    )
    parser.add_argument("--run", help="run folder (default: runs/NAME)")
    add_train_options(parser)
    parser.add_argument(
        "--devices", default="all", metavar="N",
        help="how many GPUs or TPU cores share each batch; it makes no difference to the result (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--coordinator", metavar="HOST:PORT",
        help="where the first of several hosts listens; the same command is started on each, but for --host, with "
        "KERAS_BACKEND=jax and a run folder that all of them see",
    )  # fmt: skip
    parser.add_argument("--hosts", type=int, metavar="N", help="how many hosts share each batch")
    parser.add_argument("--host", type=int, metavar="K", help="which of them this is, from 0")
    parser.add_argument(
        "--prompts", metavar="FILE",
        help="a text file of prompts, one a line, that are drawn after every epoch (default: captions of validation "
        "images, or for faces some descriptions)",
    )  # fmt: skip
    there = parser.add_mutually_exclusive_group()
    there.add_argument(
        "--resume", action="store_true",
        help="go on with the run where it stopped, with the settings that it has; a larger --epochs trains it on",
    )  # fmt: skip
    there.add_argument(
        "--overwrite",
        action="store_true",
        help="begin anew in place of the run that is there, which is removed with what it drew",
    )
    parser.set_defaults(function=_train)


def _train(arguments: argparse.Namespace) -> None:
    from cvae.keras_files import BEST
    from cvae.log import best_epoch, describe_epoch
    from cvae.runs import Run
    from cvae.training.loop import folder_for, hosts_named, train

    folder = folder_for(arguments.variant, arguments.run)
    if arguments.resume and arguments.run and arguments.variant and not folder.exists():
        print(f"note: {folder} is not there; a run is begun in it.")
    trained: list[pathlib.Path] = []
    hosts = hosts_named(arguments.coordinator, arguments.hosts, arguments.host)
    history = train(
        arguments.variant,
        arguments.data,
        folder,
        given_settings(arguments),
        arguments.resume,
        arguments.overwrite,
        on_epoch=trained.append,
        prompts=read_prompts(arguments.prompts),
        devices=arguments.devices,
        hosts=hosts,
    )
    if hosts and hosts.number:
        # The first host tells the rest.
        return
    run, best = Run(folder), best_epoch(history)
    done = f"{counted(len(history), 'epoch')}: {describe_epoch(best)}; in {folder}"
    if trained:
        before = len(history) - len(trained)
        if best["epoch"] <= before:
            print(f"note: the epochs after {before} brought nothing better; {run.folder / BEST} is as it was.")
        print(f"Trained {run.variant_name} for {done}.")
    else:
        print(f"{run.variant_name} was trained already for {done}; a larger --epochs trains it on.")


def _add_out(parser: Any, name: str) -> None:
    parser.add_argument(
        "--out",
        help="a file, such as picture.png, or a folder; what is there stays: picture-2.png, or a folder 2 in that one "
        f"(default: a new folder in the run's {name}/)",
    )


def _add_generate(commands: Any) -> None:
    parser = commands.add_parser("generate", help="draw pictures for prompts")
    add_run(parser)
    parser.add_argument("prompts", nargs="*", default=[], metavar="PROMPT", help="what to draw, in quotes")
    parser.add_argument("--count", type=int, default=4, help="pictures of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures (default: 0)")
    add_options(parser, "generate")
    _add_out(parser, "generated")
    parser.set_defaults(function=_generate)


def _generate(arguments: argparse.Namespace) -> None:
    run = open_run(arguments)
    out, options = _output(arguments.out), given_options(arguments, "generate")
    pictures = run.generate(arguments.prompts, arguments.count, arguments.seed, **options)
    path = _save(pictures, out, run, "generated")
    print(f"Drew {counted(arguments.count, 'picture')} for each of {counted(len(pictures), 'prompt')}: {path}.")


def _output(out: str | None) -> str | None:
    """The output that was asked for, checked before the work begins."""
    from cvae.sampling.pictures import check_output

    if out is not None:
        check_output(out)
    return out


def _save(pictures: Any, out: str | None, run: Any, name: str) -> pathlib.Path:
    from preprocess.utils.files import next_folder

    return pictures.save(out or next_folder(run.output / name))


def _add_image_commands(commands: Any) -> None:
    systems = find_systems()
    for name in dict.fromkeys(name for system in systems for name in system.image_commands):
        parser = commands.add_parser(name, help=systems_with(name)[0].image_commands[name][1])
        add_run(parser, f"run folder of: {', '.join(variants_with(name))}")
        parser.add_argument("image", type=place_name, help="an image's file")
        add_options(parser, name)
        _add_out(parser, name)
        parser.set_defaults(function=_run_image_command, command=name)


def _run_image_command(arguments: argparse.Namespace) -> None:
    run, name = open_run(arguments), arguments.command
    out = _output(arguments.out)
    pictures = run.call(name, arguments.image, **given_options(arguments, name))
    path = _save(pictures, out, run, name)
    drawn = counted(pictures.arrays.shape[1] - 1, "picture")
    print(f"Drew {drawn} beside {arguments.image}: {path}.")


def _add_variants(commands: Any) -> None:
    parser = commands.add_parser("variants", help="list what can be trained, and which to take for what")
    parser.set_defaults(function=_variants)


def _variants(arguments: argparse.Namespace) -> None:
    print(list_of(find_systems()))


COMMANDS = (_add_train, _add_variants, _add_generate, _add_image_commands, *MEASURING, *SHARING)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="cvae",
        description="Trains models and draws pictures with them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EXAMPLES,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {cvae.__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    for add in COMMANDS:
        add(commands)
    return parser


def main() -> None:
    """Runs the command line; a user's error ends it with a sentence and exit code 2."""
    # What else a command does is begun anew.
    instead = " in place of --overwrite" if "--overwrite" in sys.argv else ""
    going_on = {"train": f" with --resume{instead} to go on", "compare": " to go on"}
    again = "run the same command again" + going_on.get("".join(sys.argv[1:2]), "")

    def run() -> None:
        arguments = build_parser().parse_args()
        check_not_empty(arguments)
        arguments.function(arguments)

    run_command(run, again)


def command() -> None:
    """`main` as the command `cvae`."""
    main()
    leave()
