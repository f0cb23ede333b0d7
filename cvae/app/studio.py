"""Runs that stay loaded, for a page that draws again and again."""

import collections
import contextlib
import dataclasses
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

from cvae.keras_files import BEST
from cvae.presets import preset_names
from cvae.runs import Run, load_preset
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

    @property
    def is_loaded(self) -> bool:
        """Whether its model is in memory."""
        return bool(self._models)

    def unload(self) -> None:
        """Lets its model go."""
        self._models.clear()


class Studio:
    """What a page draws with.

    Args:
        first: the run to begin with; None for `FIRST`.

    Attributes:
        first: its name on the page, which tells nothing of where it lies. encoders: the encoders that were opened.
    """

    def __init__(self, first: Run | None = None) -> None:
        self.encoders = Encoders()
        first = first or load_preset(FIRST)
        self.first = pathlib.Path(first.name).name if "/" in first.name else first.name
        self._kept: collections.OrderedDict[str, KeptRun] = collections.OrderedDict()
        self._given = {self.first: KeptRun(first, self.encoders)}
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        """All that can be drawn with: the run that was named, the presets, and the finished runs in `RUNS`."""
        found = [path.parent for path in sorted(RUNS.glob("*/run.json")) if (path.parent / BEST).is_file()]
        first = self._given[self.first].folder.resolve()
        others = [str(folder) for folder in found if folder.resolve() != first]
        return list(dict.fromkeys([self.first, *preset_names(), *others]))

    def names_with(self, *commands: str, prompts: bool = False) -> list[str]:
        """Of those the ones whose variants have a command; with `prompts`, and take prompts."""
        return [name for name in self.names() if self._has(name, commands, prompts)]

    def first_of(self, names: list[str]) -> str:
        """Of names the one to begin with."""
        return self.first if self.first in names else names[0]

    def _has(self, name: str, commands: tuple[str, ...], prompts: bool) -> bool:
        try:
            run = self.run(name)
        except UserError:  # a run of another version, or damaged
            return False
        if prompts and run.variant.condition_prompts is None:
            return False
        return all(run.system.has(command) and command not in run.variant.lacks for command in commands)

    def run(self, name: str) -> KeptRun:
        """A run, whose model stays loaded until `KEPT` others were used since.

        Raises:
            UserError: it is none of `names`: of a machine's folders no others can be opened by a page.
        """
        with self._lock:
            if name in self._given:
                self._kept[name] = self._given[name]
            elif name not in self._kept:
                if name not in self.names():
                    raise UserError(f"there is no model {str(name)[:60]!r}; choose another.")
                run = load_preset(name) if name in preset_names() else Run(name)
                self._kept[name] = KeptRun(run, self.encoders)
            self._kept.move_to_end(name)
            others = [other for other in self._kept if self._kept[other].is_loaded and other != name]
            for other in others[: max(0, len(others) - KEPT + 1)]:
                self._kept[other].unload()
            return self._kept[name]
