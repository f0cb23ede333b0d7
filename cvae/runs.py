"""A run folder: what a training wrote, and how to get its model back.

run.json             variant, data, settings and the encoder's name and hash
best.keras           the model of the best validation loss; of a GAN or an autoencoder, which have none, the newest
last.keras           the model and its optimiser after the last finished epoch
log.csv              the loss and its parts by epoch
loss.png, samples/   curves, and a grid of pictures for fixed prompts and noise an epoch
tensorboard/         the same numbers for TensorBoard
generated/           what `generate` drew, a numbered folder a call; likewise vary/, edit/ and gallery/
autoencoder/         of a flow, the run of its own autoencoder; latents/, what its autoencoder makes of the photographs
prior-*.keras        what --prior flow needs: see `cvae.training.learned_prior`
"""

import functools
import pathlib
import zipfile
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cvae.keras_files import BEST, LAST, load_keras, train_anew
from cvae.log import LOG, Row, best_epoch, read_log
from cvae.presets import FOLDER, find_preset, is_address, preset_names
from cvae.presets.fetch import KINDS, fetch_preset, name_of
from cvae.registry import System, resolve, system_of
from cvae.run_files import Config, EmbeddedConfig
from preprocess.embedding.process import EncoderRecord
from preprocess.shards.info import DataInfo, read_info
from preprocess.utils.errors import UserError, suggest
from preprocess.utils.files import PARTIAL, write_json
from preprocess.utils.load import check_schema, read_json
from preprocess.utils.quiet import import_keras

CONFIG = "run.json"
# All that a training leaves before its first epoch is finished. In a flow's autoencoder/ is a run of its own.
SCAFFOLD = (CONFIG, "tensorboard", "prompts.npz", "samples", "latents", "autoencoder")


class Run:
    """A run folder, opened once and handed on.

    Args:
        folder: the folder; or, where there is none of that name, the name of a run that comes with the package; or the
            address of one elsewhere, see `cvae.presets.fetch.fetch_preset`, which is fetched the first time.

    Attributes:
        folder: its path. output: where what it draws and measures is kept, the same but for a run that comes with the
            package or from elsewhere.
        config: what run.json holds. variant_name, variant, system: what was trained.

    Raises:
        UserError: the folder is not a run, or one elsewhere cannot be fetched.
    """

    def __init__(self, folder: str | pathlib.Path) -> None:
        self.folder, self.output = _places_of(str(folder))
        self.name = self.folder.name if self.folder.parent == FOLDER else str(folder)
        self.config = _read_config(self.folder)
        self.variant_name: str = self.config["variant"]
        self.system: System = system_of(self.variant_name)
        # Of the system's own class, which knows more than all variants do.
        self.variant: Any = self.system.variants[self.variant_name]

    @classmethod
    def create(cls, folder: pathlib.Path, config: dict[str, Any]) -> "Run":
        """Makes a run folder's run.json and opens it."""
        write_json(folder / CONFIG, config)
        return cls(folder)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<run {self.folder}: {self.variant_name}>"

    def update(self, **config: Any) -> None:
        """Changes what run.json holds."""
        self.config = self.config | config
        write_json(self.folder / CONFIG, self.config)

    @property
    def settings(self) -> dict[str, Any]:
        """What the training was asked for, see `cvae.training.settings.Settings`."""
        return self.config["settings"]

    @functools.cached_property
    def encoder(self) -> EncoderRecord:
        """What embedded the data.

        Raises:
            UserError: the run's data have no embeddings.
        """
        if "clip" not in self.config:
            raise UserError(
                f"{self} is a {self.variant_name}, which knows no encoder and no prompts; name another run."
            )
        return EncoderRecord(self.config["clip"], self.config["clip_spec"], self.config["precision"])

    @property
    def has_data(self) -> bool:
        """Whether what it was trained on is where it was."""
        return pathlib.Path(self.config["data"]).is_dir()

    def data_info(self, hint: str) -> DataInfo:
        """What it was trained on.

        Raises:
            UserError: the data are gone, with a hint at what to do then; or see `preprocess.shards.info.read_info`.
        """
        if not self.has_data:
            raise self.data_gone(hint)
        return read_info(self.config["data"])

    def data_gone(self, hint: str) -> UserError:
        """The error for data that are not there any more, with a hint at what to do."""
        if find_preset(self.folder.name) == self.folder:
            return UserError(f"{self} came along without its data; {hint}.")
        return UserError(f"the data of {self}, {self.config['data']}, are not there any more; {hint}.")

    def find_model(self, file_name: str = BEST) -> pathlib.Path:
        """The path of its model.

        Raises:
            UserError: there is none yet, or the file is cut short.
        """
        path = self.folder / file_name
        if not path.is_file():
            if has_work(self.folder):
                raise UserError(f"{self} has lost its {file_name}; put it back, or {train_anew(path)}")
            raise UserError(
                f"{self} has no {file_name}, which the first finished epoch leaves; train it with "
                f"`cvae train --resume --run {self}`."
            )
        if not zipfile.is_zipfile(path):
            raise UserError(f"{path} is damaged; put a copy of it back, or {train_anew(path)}")
        return path

    def model(self, file_name: str = BEST) -> Any:
        """Loads its model, a `keras.Model`: to draw with in the precision that is fast here, to train on as it is.

        Raises:
            UserError: there is none yet, or the file is damaged.
        """
        path = self.find_model(file_name)
        import_keras()  # quietly, before what needs it
        from cvae.nn.precision import in_best_precision

        model = load_keras(path)
        if type(model).__module__ not in self.system.models:
            raise UserError(
                f"{path} holds a {type(model).__name__}, which is no {self.variant_name}; put its own back."
            )
        return model if file_name == LAST else in_best_precision(model)

    def log(self) -> list[Row]:
        """What log.csv holds, one dict an epoch; an empty list if there is none.

        Raises:
            UserError: it is damaged.
        """
        return read_log(self.folder)

    def best_epoch(self) -> Row:
        """The row of the log of the epoch that best.keras is of.

        Raises:
            UserError: log.csv is lost or damaged.
        """
        if not (history := self.log()):
            raise UserError(f"{self} has no {LOG}; put it back, or train again with --overwrite.")
        return best_epoch(history)

    def generate(self, prompts: str | Sequence[str], count: int = 4, seed: int = 0, **options: Any) -> Any:
        """Draws `count` pictures of each prompt: `cvae.sampling.pictures.Pictures`.

        Args:
            prompts: texts, or a single one; digits for a run on digits.
            count: pictures of each.
            seed: the same seed draws the same pictures.
            **options: what `cvae generate --help` lists for its system, such as best_of or guidance.

        Raises:
            UserError: the run has no model yet; prompts or options that cannot be.
        """
        several = [prompts] if isinstance(prompts, str) or not isinstance(prompts, Iterable) else list(prompts)
        return self.call("generate", several, count, seed, **options)

    def evaluate(self, data: str | None = None, count: int = 1000, seed: int = 0, **options: Any) -> Any:
        """Measures it on held-out images, and writes evaluation.json and evaluation.png.

        Args:
            data: what to measure it on; by default what it was trained with.
            count: pictures to draw at most, one a caption; for digits, images that the bounds are measured on.
            seed: the same seed gives the same figures.
            **options: what `cvae evaluate --help` lists for its system.

        Returns:
            A `cvae.evaluation.report.Report`.

        Raises:
            UserError: no model yet, data or an encoder that are not there, or options that it has not.
        """
        return self.call("evaluate", data, count, seed, **options)

    def call(self, command: str, *arguments: Any, **options: Any) -> Any:
        """Runs any command that its system has, such as `run.call("vary", "photo.jpg", towards="in the snow")`.

        Raises:
            UserError: it has no such command, or not that option.
        """
        function = self.system.command(command, self.variant_name)
        self.system.check_options(command, options, self.variant_name)
        return function(self, *arguments, **options)

    def open_drawer(self, **options: Any) -> Any:
        """What draws its pictures: has `draw(noise, condition)` and `latent_dim`."""
        import_keras()  # quietly, before what needs it
        return resolve(self.variant.open_drawer)(self, **options)

    def check_draws_prompts(self) -> None:
        """Raises a UserError for a run whose model takes no prompts."""
        if self.variant.condition_prompts is None:
            raise UserError(f"{self} is a {self.variant_name}, which draws nothing from prompts; name another run.")

    def condition(self, prompts: list[str], clip: str | None = None) -> Any:
        """What its model is conditioned on for prompts, float32 (n, c).

        Raises:
            UserError: its model takes no prompts; an empty one; or the encoder is not there.
        """
        return self.condition_by(lambda texts: self.encode_texts(texts, clip), prompts)

    def encode_texts(self, texts: list[str], clip: str | None = None) -> Any:
        """Embeds texts with the encoder that embedded its data: float32 (n, d)."""
        with self.encoder.open(clip) as encoder:
            return encoder.encode_texts(texts)

    def condition_by(self, encode_texts: Callable[[list[str]], Any], prompts: list[str]) -> Any:
        """As `condition`, with what embeds texts."""
        self.check_draws_prompts()
        return resolve(self.variant.condition_prompts)(prompts, self.variant, encode_texts)


def load_run(folder: str | pathlib.Path) -> Run:
    """Opens a run folder.

    Raises:
        UserError: it is none.
    """
    return Run(folder)


def load_preset(name: str) -> Run:
    """Opens a preset: one that comes with the package, or a folder or an address, as `Run` takes them.

    Raises:
        UserError: it is none.
    """
    if not isinstance(name, str) or not name.strip():
        raise UserError(f"a preset has a name, such as photographs-128, not {name!r}.")
    if preset := find_preset(name):
        # Even where a folder has that name.
        return Run(preset)
    if not is_address(name) and not pathlib.Path(name).exists():
        hint = f"{suggest(name, preset_names())} of {', '.join(preset_names())}"
        raise UserError(f"there is no preset {name}; {hint}, or write {KINDS}.")
    return Run(name)


def _places_of(name: str) -> tuple[pathlib.Path, pathlib.Path]:
    """The folder of a run, and that of what is drawn with it."""
    if is_address(name):
        return fetch_preset(name), pathlib.Path("runs", "presets", name_of(name))
    folder = pathlib.Path(name)
    preset = find_preset(folder.name if folder.parent == FOLDER else str(folder))
    if preset and (preset == folder or not folder.exists()):
        return preset, pathlib.Path("runs", preset.name)
    return folder, folder


def is_run(folder: pathlib.Path) -> bool:
    """Whether a folder holds a run.json."""
    return (folder / CONFIG).is_file()


def has_work(folder: pathlib.Path) -> bool:
    """Whether a run folder holds what must not be lost: finished epochs, a model, or what was drawn with it."""
    return bool(work_in(folder))


def work_in(folder: pathlib.Path) -> set[str]:
    """The names of what a run folder holds beyond what a training leaves before its first epoch is finished."""
    entries = folder.iterdir() if folder.is_dir() else ()
    return {entry.name for entry in entries if entry.name not in SCAFFOLD and not entry.name.startswith(PARTIAL)}


def _read_config(folder: pathlib.Path) -> dict[str, Any]:
    path = folder / CONFIG
    if folder.is_file():
        raise UserError(f"{folder} is a file; name the run's folder.")
    if not path.is_file():
        presets = [name for name in preset_names() if "generate" not in Run(name).variant.lacks]
        hint = suggest(str(folder), presets, "train one, or name another, or one")
        raise UserError(f"{folder} is not a run folder (no {CONFIG}); {hint} that comes along: {', '.join(presets)}.")
    remedy = "put it back, or name another --run"
    config = read_json(path, remedy, Config)
    if "clip" in config:
        check_schema(config, EmbeddedConfig, path, remedy)
    return config
