"""What each preset is, as data for those who choose one: from the about.json in its folder."""

import dataclasses
import pathlib

from typing_extensions import TypedDict

from cvae.presets import ABOUT, FOLDER, preset_names
from preprocess.utils.load import read_json


class AboutConfig(TypedDict):
    """What about.json holds."""

    about: str
    data: str
    figures: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Preset:
    """A run folder that comes with the package.

    Attributes:
        name: of `--preset`. about: what it does, in a clause. data: what it was trained on. figures: {what: figure} on
            held-out data. size: bytes of its files.
    """

    name: str
    about: str
    data: str
    figures: dict[str, str]
    size: int

    def describe(self) -> str:
        """Three lines for the command line."""
        figures = "; ".join(f"{what}: {figure}" for what, figure in self.figures.items())
        return f"{self.name} ({self.size / 1e6:.1f} MB): {self.about}\n  trained on {self.data}\n  {figures}"


def read_about(folder: pathlib.Path) -> Preset:
    """What a preset's folder says of it.

    Raises:
        UserError: it has no about.json, or a damaged one.
    """
    about = read_json(folder / ABOUT, "fetch the preset again", AboutConfig)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return Preset(folder.name, about["about"], about["data"], about["figures"], size)


def presets() -> list[Preset]:
    """All that come with the package."""
    return [read_about(FOLDER / name) for name in preset_names()]
