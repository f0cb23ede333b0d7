"""The autoencoder that a flow learns the latents of: the one that comes along, one of its own, or another run's."""

import functools
import pathlib
import shutil
from typing import Any

from cvae.keras_files import BEST, LAST, load_keras
from cvae.log import LOG
from cvae.presets import find_preset
from cvae.runs import CONFIG, Run, is_run
from cvae.systems.flow import AutoencoderVariant
from cvae.systems.flow.latents import has_latents_of
from cvae.training.loop import train
from cvae.training.resume import settings_of
from preprocess.utils.errors import UserError
from preprocess.utils.files import atomic_path

# What --autoencoder can be besides a run folder, and the name of the one that comes along.
SHIPPED, OWN, PRESET = "shipped", "train", "autoencoder"
# In the folder of a flow's run.
FOLDER = "autoencoder"


def check_autoencoder(choice: str) -> None:
    """Raises a UserError for a choice that is no finished autoencoder."""
    if choice in (SHIPPED, OWN):
        return
    run = Run(choice)
    if not isinstance(run.variant, AutoencoderVariant):
        raise UserError(
            f"{run} is a {run.variant_name}; give --autoencoder {SHIPPED}, {OWN}, or the run of an autoencoder."
        )
    run.find_model()


def open_autoencoder(
    flow: Run,
    choice: str,
    data: pathlib.Path,
    settings: dict[str, Any],
    latents: pathlib.Path,
    devices: str,
) -> Run:
    """The run of a flow's autoencoder, which is trained or copied into the flow's folder first where it has to be.

    Args:
        flow: the flow's run. choice: "shipped", "train", or the folder of a run.
        data, settings, devices: of the training of one of its own.
        latents: a folder; an autoencoder that has made those is not trained on.

    Raises:
        UserError: it is gone, though the flow has learned its latents.
    """
    if choice == SHIPPED:
        return Run(shipped_folder(PRESET))
    folder = flow.folder / FOLDER
    if (flow.folder / LAST).is_file() and not (folder / BEST).is_file():
        raise UserError(
            f"{folder / BEST}, whose latents {flow} learns, is not there any more; put it back, or begin anew with "
            "--overwrite."
        )
    if choice != OWN:
        if not is_run(folder):
            _copy(Run(choice), folder)
    elif not has_latents_of(folder / BEST, latents):
        print(f"an autoencoder first, whose latents {flow.variant_name} learns:")
        _train_own(folder, data, settings, devices)
    return Run(folder)


def _copy(run: Run, folder: pathlib.Path) -> None:
    """Copies what a run needs to be opened, run.json last, which makes it one."""
    for name in (BEST, LOG, CONFIG):
        if (run.folder / name).is_file():
            with atomic_path(folder / name) as partial:
                shutil.copyfile(run.folder / name, partial)


def _train_own(folder: pathlib.Path, data: pathlib.Path, settings: dict[str, Any], devices: str) -> None:
    # Of runs of version 0.2 it is a SpatialVAE, and one that has begun goes on as it was.
    variant_name = Run(folder).variant_name if is_run(folder) else PRESET
    if (folder / LAST).is_file() and is_run(folder):
        settings = {"epochs": settings_of(Run(folder)).epochs}
    train(variant_name, data, folder, settings, resume=True, devices=devices, hosts=False)


def shipped_folder(name: str) -> pathlib.Path:
    """The folder of an autoencoder that comes along.

    Raises:
        UserError: it does not come with this version.
    """
    if found := find_preset(name):
        return found
    raise UserError(f"this version comes without the {name} that the run needs; use a newer version.")


@functools.cache
def shipped_autoencoder(name: str) -> Any:
    """The model of an autoencoder that comes along, opened once, in what arithmetic is fast here."""
    from cvae.nn.precision import in_best_precision

    return in_best_precision(load_keras(shipped_folder(name) / BEST))
