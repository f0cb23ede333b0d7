"""Run folders of trained models that come with the package, each with a card; `--preset` and `--run` find them by name.

None is ever replaced by another model: runs name the autoencoder whose latents they learned.
"""

import pathlib

FOLDER = pathlib.Path(__file__).parent
# What a preset's folder says of itself: {"about", "data", "figures"}; see `cvae.presets.table`.
ABOUT = "about.json"


def preset_names() -> list[str]:
    """The names of all that come with the package."""
    return sorted(path.parent.name for path in FOLDER.glob("*/run.json"))


def find_preset(name: str) -> pathlib.Path | None:
    """The run folder of that name that comes with the package; None where there is none."""
    return FOLDER / name if name in preset_names() else None


def is_address(name: str) -> bool:
    """Whether a name is that of a preset elsewhere, such as hf://user/name; see `cvae.presets.fetch`."""
    return "://" in name
