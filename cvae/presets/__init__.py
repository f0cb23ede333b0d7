"""Run folders of trained models that come with the package, each with a card; `--run NAME` finds them.

None is ever replaced by another model: runs name the autoencoder whose latents they learned.
"""

import pathlib

FOLDER = pathlib.Path(__file__).parent


def preset_names() -> list[str]:
    """The names of all that come with the package."""
    return sorted(path.parent.name for path in FOLDER.glob("*/run.json"))


def find_preset(name: str) -> pathlib.Path | None:
    """The run folder of that name that comes with the package; None where there is none."""
    return FOLDER / name if name in preset_names() else None
