"""The systems that there are. Each is a folder in `cvae/systems` whose `__init__.py` says as data what it has.

What does the work is named by strings such as "cvae.systems.flow.task:FlowTask" and imported when it is needed, so that
`--help` answers at once and a further system touches its own folder alone.
"""

import dataclasses
import difflib
import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import cvae.systems
from preprocess.utils.errors import UserError, check_whole


@dataclasses.dataclass(frozen=True)
class Option:
    """An option that some systems have for a command.

    Attributes:
        name: as in Python, such as "best_of" for --best-of.
        help: for the command line.
        type: int, float or str.
        choices: what it can be, empty for anything. least, most: its range, None for no limit.
        nargs, metavar: as argparse has them.
        action: "append" for an option that can be repeated.
    """

    name: str
    help: str
    type: type = str
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    nargs: str | None = None
    metavar: str | None = None
    action: str | None = None

    @property
    def flag(self) -> str:
        """Such as "--best-of"."""
        return f"--{self.name.replace('_', '-')}"

    def check(self, value: Any, whose: str) -> None:
        """Raises a UserError for a value that cannot be."""
        if self.choices and value not in self.choices:
            raise UserError(f"{self.flag} of a {whose} is one of: {', '.join(self.choices)}.")
        if self.type is int and self.least is not None:
            check_whole(self.name.replace("_", "-"), value, int(self.least), int(self.most) if self.most else None)
        if self.type is float and not (
            isinstance(value, (int, float)) and (self.least or 0) <= value <= (self.most or float("inf"))
        ):
            raise UserError(f"{self.flag} must be a number from {self.least:g} to {self.most:g}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """What every system's variants have; those of a system are instances of a class of its own.

    Attributes:
        image_size: pixels a side.
        condition: what its model is trained with, one of `preprocess.shards.read.CONDITIONS`, or "" for none of those.
        conditioned_on: the same in words, for `cvae variants`.
        theme: the theme of photographs that it is meant for, None for any.
        data: the folder that it is trained on if none is named.
        epochs, batch_size, learning_rate, decay: its defaults, see `cvae.training.settings.Settings`.
        least_steps: steps below which training is known to give nothing; by default it never takes fewer.
        cost: how long a training took, in words, for `cvae variants`.

    Class attributes, references for `resolve`:
        task: the class that trains it, a `cvae.training.task.Task`.
        condition_prompts: the function (run, prompts, clip) that turns prompts into what its model is conditioned on,
            float32 (n, c); None where it is not asked by prompts.
        open_drawer: the function (run, **options) that gives what draws: an object with `draw(noise, condition)` and
            `latent_dim`.
    """

    image_size: int
    conditioned_on: str
    condition: str = ""
    theme: str | None = None
    data: str | None = None
    epochs: int = 25
    batch_size: int = 32
    learning_rate: float = 5e-4
    decay: bool = False
    least_steps: int = 0
    cost: str = ""
    task: ClassVar[str]
    condition_prompts: ClassVar[str | None] = "cvae.sampling.prompts:condition_prompts"
    open_drawer: ClassVar[str] = "cvae.sampling.draw:open_drawer"


@dataclasses.dataclass(frozen=True)
class System:
    """A system: its variants, and what does its work.

    Attributes:
        name: in code, command line and folders.
        about: a sentence, for help texts and `cvae variants`.
        variants: {name: `Variant`}.
        models: the modules that register its Keras classes.
        commands: {"generate", "evaluate", "compare": the function behind it}. See `cvae.cli` for what each is called
            with.
        image_commands: {name: (the function behind it, its help)} of commands on an image, such as "edit".
        options: {command: the `Option`s that it has for this system}.
        notebook: the notebook that shows it.
    """

    name: str
    about: str
    variants: Mapping[str, Variant]
    models: tuple[str, ...]
    commands: Mapping[str, str]
    image_commands: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    options: Mapping[str, tuple[Option, ...]] = dataclasses.field(default_factory=dict)
    notebook: str = ""

    def command(self, name: str) -> Callable[..., Any]:
        """The function behind a command.

        Raises:
            UserError: the system has no such command.
        """
        if not self.has(name):
            able = [variant for system in systems_with(name) for variant in system.variants]
            raise UserError(f"the system {self.name} has no `{name}`; that is for runs of: {', '.join(able)}.")
        return resolve(self.commands.get(name) or self.image_commands[name][0])

    def has(self, command: str) -> bool:
        """Whether it has a command."""
        return command in self.commands or command in self.image_commands

    def has_option(self, command: str, name: str) -> bool:
        """Whether it has an option for a command."""
        return any(option.name == name for option in self.options.get(command, ()))

    def check_options(self, command: str, options: Mapping[str, Any], whose: str) -> None:
        """Raises a UserError for options of a command that this system does not have, or values that cannot be."""
        own = {option.name: option for option in self.options.get(command, ())}
        for name, value in options.items():
            if name not in own:
                raise UserError(
                    f"--{name.replace('_', '-')} {_who_has(command, name)}, not for a {whose}; leave it out."
                )
            if value is not None:
                own[name].check(value, whose)


def _who_has(command: str, name: str) -> str:
    able = [s.name for s in systems_with(command) if s.has_option(command, name)]
    return f"is for the {' and '.join(able)}" if able else f"is no option of `{command}`"


def resolve(reference: str) -> Any:
    """Imports what "module:name" names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


@functools.cache
def find_systems() -> tuple[System, ...]:
    """All systems, the coursework's first."""
    names = [module.name for module in pkgutil.iter_modules(cvae.systems.__path__) if module.ispkg]
    found = [importlib.import_module(f"cvae.systems.{name}").SYSTEM for name in names]
    return tuple(sorted(found, key=lambda system: (system.name != "coursework", system.name)))


def systems_with(command: str) -> list[System]:
    """The systems that have a command."""
    return [system for system in find_systems() if system.has(command)]


def all_variants() -> dict[str, Variant]:
    """{name: variant} of all systems."""
    return {name: variant for system in find_systems() for name, variant in system.variants.items()}


def system_of(variant_name: str) -> System:
    """The system of a variant.

    Raises:
        UserError: there is no variant of that name.
    """
    for system in find_systems():
        if variant_name in system.variants:
            return system
    names = list(all_variants())
    near = difflib.get_close_matches(variant_name, names, n=1)
    hint = f"did you mean {near[0]}, or another" if near else "choose one"
    raise UserError(f"no variant '{variant_name}'; {hint} of: {', '.join(names)}.")


def find_variant(name: str) -> Variant:
    """The variant of that name.

    Raises:
        UserError: there is none.
    """
    return system_of(name).variants[name]


def import_models() -> None:
    """Imports the modules of all systems that register Keras classes, so that any `.keras` file can be loaded."""
    for system in find_systems():
        for module in system.models:
            importlib.import_module(module)
