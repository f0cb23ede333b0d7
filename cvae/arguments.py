"""The settings of trainings and the options of systems as arguments of the command line."""

import argparse
from collections.abc import Iterable
from typing import Any

from cvae.registry import Option, System, systems_with, train_options
from cvae.training.settings import EPOCH_STEPS, NAMES, PRECISIONS, SMALLEST_BATCH, describe_defaults
from preprocess.utils.errors import UserError
from preprocess.utils.load import read_text

SETTINGS_HELP = "default: the variant's own, see below"

EXAMPLES = """examples:
  cvae variants
  cvae train --variant 64-flow --data demo/embedded --init pasture-128 --batch-size 16 --epochs 10
  cvae generate --run runs/64-flow "White sheep on a mountain under blue sky"

`cvae COMMAND --help` lists what a command takes; before `train`, see `cvae-preprocess --help` and `cvae-embed --help`.
"""


def defaults_of(systems: Iterable[System]) -> str:
    """What the variants of systems take if nothing is given, those that take the same in one line."""
    groups: dict[str, list[str]] = {}
    for system in systems:
        for name, variant in system.variants.items():
            groups.setdefault(describe_defaults(variant), []).append(name)
    lines = [f"  {', '.join(names)}:\n      {what}" for what, names in groups.items()]
    few = f"batches are halved until an epoch has {EPOCH_STEPS} steps, to {SMALLEST_BATCH} images at the least"
    return "defaults:\n" + "\n".join(lines) + f"\n  Where images are few, {few}."


def list_of(systems: Iterable[System]) -> str:
    """What can be trained: a line a system, and one for each of its variants."""
    lines = []
    for system in systems:
        lines.append(f"{system.name}: {system.about}")
        for name, variant in system.variants.items():
            cost = f"; {variant.cost}" if variant.cost else ""
            lines.append(f"  {name:<22} {variant.image_size:>3} px  conditioned on {variant.conditioned_on}{cost}")
    return "\n".join(lines)


def add_run(parser: Any, what: str = "run folder, such as runs/64-image") -> None:
    """Adds --run and --preset, of which one must be given; see `open_run`."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", help=what)
    which.add_argument(
        "--preset", metavar="NAME", help="in its place a model that comes along, see `cvae presets`, or hf://user/name"
    )


def open_run(arguments: argparse.Namespace) -> Any:
    """The `cvae.runs.Run` that --run or --preset names."""
    from cvae.runs import load_preset, load_run

    return load_run(arguments.run) if arguments.preset is None else load_preset(arguments.preset)


def add_settings(parser: Any) -> None:
    """Adds the settings of a training, see `cvae.training.settings.Settings`."""
    parser.add_argument("--epochs", type=int, help=f"total epochs, of each stage where there are two ({SETTINGS_HELP})")
    parser.add_argument("--batch-size", type=int, help=f"images a step ({SETTINGS_HELP})")
    parser.add_argument("--learning-rate", type=float, help=f"Adam's ({SETTINGS_HELP})")
    parser.add_argument(
        "--decay",
        action=argparse.BooleanOptionalAction,
        help=f"lower the learning rate to nearly 0 over the epochs ({SETTINGS_HELP})",
    )
    parser.add_argument("--width", type=float, help="factor on the channels, below 1 for small machines (default: 1)")
    parser.add_argument("--seed", type=int, help="of weights, noise and order (default: 0)")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: the fastest of them on this hardware")


def add_train_options(parser: Any) -> None:
    """Adds the settings, and what variants have for their trainings besides them."""
    add_settings(parser)
    for option in train_options().values():
        parser.add_argument(option.flag, type=option.type, metavar=option.metavar, help=option.help)


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line gives of `cvae.training.settings.Settings` and of variants' own options."""
    found = {name: getattr(arguments, name, None) for name in (*NAMES, *train_options())}
    return {name: value for name, value in found.items() if value is not None}


def check_not_empty(arguments: argparse.Namespace) -> None:
    """Raises a UserError for a file or folder whose name is empty, as a shell's unset variable is."""
    for name in ("run", "preset", "data", "out", "clip", "autoencoder", "init"):
        if getattr(arguments, name, None) == "":
            raise UserError(f"--{name} is empty; name something, or leave it out.")


def add_options(parser: Any, command: str) -> None:
    """Adds the options that systems have for a command; one that several have stands there once."""
    by_name: dict[str, list[tuple[str, Option]]] = {}
    systems = systems_with(command)
    for system in systems:
        for option in system.options.get(command, ()):
            by_name.setdefault(option.name, []).append((system.name, option))
    for owners in by_name.values():
        option = owners[0][1]
        settings = {"action": option.action} if option.action else {"type": option.type, "nargs": option.nargs}
        parser.add_argument(option.flag, help=_help_of(owners, len(systems)), metavar=option.metavar, **settings)


def _help_of(owners: list[tuple[str, Option]], systems: int) -> str:
    names = {option.help: [name for name, other in owners if other.help == option.help] for _, option in owners}
    if len(names) == 1 and len(owners) == systems:
        return owners[0][1].help
    return "; ".join(f"{', '.join(whose)}: {text}" for text, whose in names.items())


def given_options(arguments: argparse.Namespace, command: str) -> dict[str, Any]:
    """What the command line gives of the options that systems have for a command."""
    names = {option.name for system in systems_with(command) for option in system.options.get(command, ())}
    found = {name: getattr(arguments, name) for name in sorted(names)}
    return {name: value for name, value in found.items() if value is not None}


def read_prompts(path: str | None) -> list[str] | None:
    """The prompts of a file, one a line; None for no file.

    Raises:
        UserError: it cannot be read, or holds none.
    """
    if path is None:
        return None
    lines = [line.strip() for line in read_text(path, "give --prompts a text file of prompts").splitlines()]
    if not any(lines):
        raise UserError(f"{path} holds no prompts; write one a line.")
    return [line for line in lines if line]
