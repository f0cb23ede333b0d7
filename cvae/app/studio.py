"""Runs that stay loaded, for a page that draws again and again."""

import collections
import contextlib
import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

from cvae.keras_files import BEST
from cvae.presets import preset_names
from cvae.runs import Run, is_run, load_preset
from preprocess.embedding.process import EncoderProcess, EncoderRecord
from preprocess.utils.errors import UserError

# Where trainings leave runs, and how many runs stay in memory: a flow of 128 px takes 200 MB.
RUNS, KEPT = pathlib.Path("runs"), 4
FIRST = "photographs-128"


class Encoders:
    """Processes of encoders, each started once: runs that were trained with the same one share it."""

    def __init__(self) -> None:
        self._open: dict[str, EncoderProcess] = {}
        self._stack = contextlib.ExitStack()

    def process(self, record: EncoderRecord) -> EncoderProcess:
        """The process of an encoder, started anew if it has ended."""
        name = record.clip["weights_sha256"] + record.precision
        if name not in self._open or self._open[name].has_ended():
            self._open[name] = self._stack.enter_context(record.open())
        return self._open[name]

    def close(self) -> None:
        """Ends them all."""
        self._stack.close()


@dataclasses.dataclass(frozen=True)
class KeptEncoder(EncoderRecord):
    """An encoder that stays open after it was used."""

    encoders: Encoders

    @contextlib.contextmanager
    def open(self, spec: str | None = None) -> Iterator[EncoderProcess]:
        if spec:
            with super().open(spec) as encoder:
                yield encoder
        else:
            own = {field.name: getattr(self, field.name) for field in dataclasses.fields(EncoderRecord)}
            yield self.encoders.process(EncoderRecord(**own))


class KeptRun(Run):
    """A run whose model and encoder stay loaded."""

    def __init__(self, run: Run, encoders: Encoders) -> None:
        # As that was opened: by its name, from the package or from elsewhere.
        vars(self).update(vars(run))
        self._encoders = encoders
        self._models: dict[str, Any] = {}

    @property
    def encoder(self) -> KeptEncoder:
        record = super().encoder
        return KeptEncoder(record.clip, record.spec, record.precision, self._encoders)

    def model(self, file_name: str = BEST) -> Any:
        if file_name not in self._models:
            self._models[file_name] = super().model(file_name)
        return self._models[file_name]


class Studio:
    """What a page draws with.

    Args:
        first: the run to begin with: a folder, a preset's name or an address; None for `FIRST`.

    Attributes:
        first: its name. encoders: the encoders that were opened.

    Raises:
        UserError: there is no such run.
    """

    def __init__(self, first: str | None = None) -> None:
        self.encoders = Encoders()
        self._given: list[str] = [first] if first else []
        self._kept: collections.OrderedDict[str, KeptRun] = collections.OrderedDict()
        self.first = first or FIRST
        self.run(self.first)

    def names(self) -> list[str]:
        """All that can be drawn with: the run that was named, the presets, and the finished runs in `RUNS`."""
        found = [str(path.parent) for path in sorted(RUNS.glob("*/run.json")) if (path.parent / BEST).is_file()]
        return list(dict.fromkeys([*self._given, *preset_names(), *found]))

    def names_with(self, *commands: str, prompts: bool = False) -> list[str]:
        """Of those the ones whose variants have a command; with `prompts`, and take prompts."""
        return [name for name in self.names() if self._has(name, commands, prompts)]

    def _has(self, name: str, commands: tuple[str, ...], prompts: bool) -> bool:
        try:
            run = self.run(name)
        except UserError:  # a run of another version, or damaged
            return False
        if prompts and run.variant.condition_prompts is None:
            return False
        return all(run.system.has(command) and command not in run.variant.lacks for command in commands)

    def run(self, name: str) -> KeptRun:
        """A run, which stays loaded until `KEPT` others were used since.

        Raises:
            UserError: it is none of `names`: of a machine's folders no others can be opened by a page.
        """
        if name not in self._kept:
            if name not in self.names():
                raise UserError(f"there is no model {name[:60]!r}; choose another.")
            run = Run(name) if is_run(pathlib.Path(name)) else load_preset(name)
            self._kept[name] = KeptRun(run, self.encoders)
        self._kept.move_to_end(name)
        loaded = [other for other in self._kept if self._kept[other]._models]
        for other in loaded[: max(0, len(loaded) - KEPT)]:
            self._kept[other]._models.clear()
        return self._kept[name]
