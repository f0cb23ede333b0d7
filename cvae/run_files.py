"""What a run folder's files are called, and what its run.json holds."""

import pathlib
import re
from typing import Any, NotRequired

from typing_extensions import TypedDict

from preprocess.utils.errors import UserError
from preprocess.utils.files import PARTIAL
from preprocess.utils.folders import STRAY

# All files that a run may hold, as pathlib has them, and its autoencoder, a run of its own.
FILES = re.compile(
    r"(run\.json|(best|last)\.keras|log\.csv|loss\.png|prompts\.npz|card\.md|evaluation\.(json|png))"
    r"|prior-[^/]+\.keras|[^/]+\.weights\.h5|samples/epoch-\d+\.png|tensorboard/.*"
    r"|latents/((train|val)-(\d+\.npz|[a-z]+\.npy)|autoencoder\.sha256)"
    r"|(generated|vary|edit|gallery|nearest)/(\d+/)+[^/]+\.(png|json)"
    rf"|(.*/)?{re.escape(PARTIAL)}[^/]*"
)


class ClipConfig(TypedDict):
    """What is kept of an encoder, see `preprocess.embedding.process.EncoderRecord`."""

    name: str
    embedding_dim: int
    weights_sha256: str


class SettingsConfig(TypedDict):
    """Of `cvae.training.settings.Settings` what a run cannot be without."""

    batch_size: int
    epochs: int
    seed: int
    extended: NotRequired[list[int]]


class Config(TypedDict):
    """What every run.json holds."""

    variant: str
    data: str | None
    settings: SettingsConfig
    options: NotRequired[dict[str, Any]]
    given: NotRequired[list[str]]


class EmbeddedConfig(Config):
    """What the run.json of a training on embedded shards holds."""

    data: str  # type: ignore[misc]
    clip: ClipConfig
    clip_spec: str
    precision: str
    data_settings: dict[str, Any]


def check_only_a_runs(folder: pathlib.Path) -> None:
    """Raises a UserError for a folder that holds what is no run's, and so must not be removed."""
    for path in sorted(folder.rglob("*")):
        own = path.relative_to(folder)
        if path.is_dir() or not set(STRAY).isdisjoint(own.parts):
            continue
        name = own.as_posix()
        if not FILES.fullmatch(name.removeprefix("autoencoder/")):
            raise UserError(f"{folder} holds {name}, which is none of a run's files; move it, or name another --run.")
