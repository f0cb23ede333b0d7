"""All systems. Each is a folder in `cvae/systems` whose `__init__.py` says as data what it has.

What does the work is named by strings such as "cvae.systems.flow.task:FlowTask" and imported when it is needed, so that
`--help` answers at once and a further system touches its own folder alone.
"""

import dataclasses
import functools
import importlib
import math
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import cvae.systems
from preprocess.utils.errors import UserError, range_in_words, suggest


@dataclasses.dataclass(frozen=True)
class Option:
    """An option that some systems have for a command.

    Attributes:
        name: as in Python, such as "best_of" for --best-of.
        help: for the command line.
        type: int, float or str.
        choices: what it can be, empty for anything. least, most: the range of a number, None for no limit.
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
            raise UserError(f"{self.flag} of a {whose} must be one of: {', '.join(self.choices)}.")
        if self.type is str:
            return
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        kinds = int if self.type is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            number = "whole number" if self.type is int else "number"
            raise UserError(f"{self.flag} must be a {number}{range_in_words(self.least, self.most)}.")


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
        least_steps: steps below which training is known to give nothing; the default number of epochs is raised to
            them.
        cost: how long a training took, in words, for `cvae variants`.
        lacks: commands of its system that it cannot be used with, and options that it has no use for.

    Class attributes:
        train_options: the `Option`s of its training besides `cvae.training.settings.Settings`.

    And references for `resolve`:
        task: the class that trains it, a `cvae.training.task.Task`.
        condition_prompts: the function (prompts, variant, encode_texts) that turns prompts into what its model is
            conditioned on, float32 (n, c); `encode_texts` embeds texts, float32 (n, d). None where it takes no
            prompts.
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
    lacks: tuple[str, ...] = ()
    train_options: ClassVar[tuple[Option, ...]] = ()
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
        commands: {name: the function behind it} of
            "generate": (run, prompts, count, seed, **options) -> `cvae.sampling.pictures.Pictures`,
            "evaluate": (run, data, count, seed, **options) -> `cvae.evaluation.report.Report`,
            "nearest": (run, images, data, count, seed, **options) -> `Report`, and
            "compare": (data, out, given, **options) -> `Report`, `given` as `cvae.training.loop.train` takes it.
        prompts: a reference to the prompts that show what it draws, a sequence of texts.
        image_commands: {name: (the function behind it, its help)} of commands on an image, such as "edit":
            (run, image, **options) -> `Pictures`. Where several systems have one of a name, the first's help stands.
        options: {command: the `Option`s that it has for this system}.
    """

    name: str
    about: str
    variants: Mapping[str, Variant]
    models: tuple[str, ...]
    commands: Mapping[str, str]
    prompts: str = "cvae.sampling.prompts:PROMPTS"
    image_commands: Mapping[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    options: Mapping[str, tuple[Option, ...]] = dataclasses.field(default_factory=dict)

    def command(self, name: str, variant_name: str | None = None) -> Callable[..., Any]:
        """The function behind a command.

        Args:
            name: the command. variant_name: the variant that it is for, None for any.

        Raises:
            UserError: the system has no such command, or the variant lacks it.
        """
        if not self.has(name) or (variant_name and name in self.variants[variant_name].lacks):
            able = variants_with(name)
            if not able:
                known = ", ".join([*self.commands, *self.image_commands])
                raise UserError(f"there is no command `{name}`; the {self.name} has: {known}.")
            near = [variant for variant in able if variant in self.variants] or able
            whose = variant_name or f"the {self.name}"
            raise UserError(f"{whose} has no `{name}`; name a run of what has it: {', '.join(near)}.")
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
        lacking = self.variants[whose].lacks if whose in self.variants else ()
        for name, value in options.items():
            if name in own and name in lacking:
                raise UserError(f"{own[name].flag} is not for a {whose}; leave it out.")
            if name not in own:
                able = [f"the {system.name}" for system in systems_with(command) if system.has_option(command, name)]
                joined = " and ".join([", ".join(able[:-1]), able[-1]] if able[1:] else able)
                theirs = f"is for {joined}, not for a {whose}" if able else f"is no option of `{command}`"
                raise UserError(f"--{name.replace('_', '-')} {theirs}; leave it out.")
            if value is not None:
                own[name].check(value, whose)


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


def variants_with(command: str) -> list[str]:
    """The names of the variants that have a command."""
    found = [system.variants for system in systems_with(command)]
    return [name for variants in found for name, variant in variants.items() if command not in variant.lacks]


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
    raise UserError(f"no variant '{variant_name}'; {suggest(variant_name, names)} of: {', '.join(names)}.")


def find_variant(name: str) -> Variant:
    """The variant of that name.

    Raises:
        UserError: there is none.
    """
    return system_of(name).variants[name]


def train_options() -> dict[str, Option]:
    """{name: option} of the trainings of all variants."""
    return {option.name: option for variant in all_variants().values() for option in variant.train_options}


def split_options(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is given of `cvae.training.settings.Settings`, and what of variants' own options of training."""
    names = train_options()
    options = {name: value for name, value in given.items() if name in names and value is not None}
    return {name: value for name, value in given.items() if name not in names}, options


def check_train_options(variant_name: str, options: Mapping[str, Any]) -> None:
    """Raises a UserError for options of a training that a variant's has not, or values that cannot be."""
    own = {option.name: option for option in find_variant(variant_name).train_options}
    for name, value in options.items():
        option = train_options()[name]
        if name not in own:
            able = [other for other, variant in all_variants().items() if option in variant.train_options]
            raise UserError(f"{option.flag} is for {', '.join(able)}, not for a {variant_name}; leave it out.")
        option.check(value, variant_name)


def import_models() -> None:
    """Imports the modules of all systems that register Keras classes, so that any `.keras` file can be loaded."""
    for system in find_systems():
        for module in system.models:
            importlib.import_module(module)
