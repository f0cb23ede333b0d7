"""Loads and saves the `.keras` files of this project's models."""

import io
import json
import pathlib
import zipfile
from typing import Any

import numpy as np

from cvae.registry import import_models
from preprocess.utils.errors import UserError, first_line
from preprocess.utils.load import parse_json, read_zip_member, zip_names
from preprocess.utils.quiet import import_keras

BEST, LAST = "best.keras", "last.keras"
# A file within a model's: how many epochs it has been trained.
EPOCHS = "epochs.json"


def train_anew(path: pathlib.Path) -> str:
    """What to do where a model's file is lost."""
    has_best = path.name == LAST and zipfile.is_zipfile(path.with_name(BEST))
    kept = f" to keep {BEST}" if has_best else ""
    return f"train again with --overwrite, or with another --run{kept}."


def save_without_optimizer(model: Any, path: pathlib.Path, plain: Any = None) -> Any:
    """Saves a model at a third of the size: Keras' own `include_optimizer=False` does nothing for `.keras` files.

    Args:
        model: the model. path: the file.
        plain: what it returned for the same model before, whose config is still the same: building that takes longer
            than saving it.

    Returns:
        The model as it was saved, without an optimiser.
    """
    if plain is None:
        plain = type(model).from_config(model.get_config())
    plain.set_weights(model.get_weights())
    plain.save(path)
    return plain


def load_keras(path: pathlib.Path) -> Any:
    """Loads a model from a `.keras` file of this project's.

    Raises:
        UserError: the file is damaged, or another's.
    """
    keras = import_keras()
    # Classes are registered by their names when their modules are imported.
    import cvae.nn.optimizers
    import cvae.nn.rectified_flow  # noqa: F401

    import_models()
    try:
        return keras.models.load_model(path, safe_mode=True)
    except MemoryError:  # not the file's fault
        raise
    # A damaged or foreign file makes zipfile, h5py and Keras raise nearly anything.
    except Exception as error:
        raise UserError(
            f"{path} cannot be loaded ({first_line(error)}); if the file is damaged, put a copy of it back, or "
            f"{train_anew(path)}"
        ) from None


def read_model_config(path: pathlib.Path) -> dict[str, Any]:
    """What a `.keras` file's model was made with, without loading it."""
    remedy = train_anew(path)
    return parse_json(read_zip_member(path, "config.json", remedy), path, remedy, dict)["config"]


def write_epochs(path: pathlib.Path, epochs: int) -> None:
    """Adds to a model's file how many epochs it was trained; steps do not tell, of which float16 leaves some out."""
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(EPOCHS, json.dumps(epochs))


def read_epochs(path: pathlib.Path) -> int | None:
    """The epochs that a model's file was trained for; None where it does not tell, as before version 0.3."""
    if EPOCHS not in zip_names(path, train_anew(path)):
        return None
    return parse_json(read_zip_member(path, EPOCHS, train_anew(path)), path, train_anew(path), int)


def load_weights(model: Any, path: pathlib.Path, remedy: str) -> None:
    """Gives a model the weights of a `.weights.h5` file.

    Raises:
        UserError: the file is not there, damaged, or another model's, with what to do then.
    """
    try:
        model.load_weights(path)
    except MemoryError:
        raise
    except Exception as error:
        raise UserError(f"{path} cannot be loaded ({first_line(error)}); {remedy}.") from None


def save_in_half(source: pathlib.Path, path: pathlib.Path) -> None:
    """Writes a model's file with its weights in float16 where they fit, at half of the size; it loads as any other.

    Args:
        source: a `.keras` file. path: the file to write.
    """
    with zipfile.ZipFile(source) as full, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as half:
        for name in full.namelist():
            content = full.read(name)
            half.writestr(name, _weights_in_half(content) if name.endswith(".h5") else content)


def _halved(value: np.ndarray) -> np.ndarray:
    """A float32 array in float16, but where that has no number so large: variances of activations can be."""
    fits = value.dtype == np.float32 and np.abs(value).max(initial=0) <= np.finfo(np.float16).max
    return value.astype(np.float16) if fits else value


def _weights_in_half(content: bytes) -> bytes:
    import h5py

    written = io.BytesIO()
    with h5py.File(io.BytesIO(content), "r") as full, h5py.File(written, "w") as half:

        def copy(name: str, entry: Any) -> None:
            if isinstance(entry, h5py.Dataset):
                value = entry[()]
                own = half.create_dataset(name, data=_halved(value))
            else:
                own = half.require_group(name)
            own.attrs.update(entry.attrs)

        half.attrs.update(full.attrs)
        full.visititems(copy)
    return written.getvalue()
