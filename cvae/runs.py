"""A run folder: what a training wrote, and how to get its model back.

run.json             variant, data, settings and the encoder's name and hash
best.keras           the model of the best validation loss; of a GAN or an autoencoder, which have none, the newest
last.keras           the model and its optimiser after the last finished epoch
log.csv              the loss and its parts by epoch
loss.png, samples/   curves, and a grid of pictures for fixed prompts and noise an epoch
tensorboard/         the same numbers for TensorBoard
autoencoder/         of a flow, the run of its autoencoder; latents/, what that makes of the photographs
prior-*.keras        what --prior flow needs: see `cvae.learned_prior`
"""

import csv
import io
import json
import pathlib
import zipfile
import zlib

from cvae.variants import find_variant
from preprocess.datasets import read_info
from preprocess.errors import UserError
from preprocess.files import write_json, write_text
from preprocess.quiet import import_keras

BEST, LAST, LOG, CONFIG = "best.keras", "last.keras", "log.csv", "run.json"


def write_config(run, config):
    write_json(pathlib.Path(run) / CONFIG, config)


def read_config(run):
    """Reads `run.json`.

    Raises:
        UserError: the folder is not a run.
    """
    path = pathlib.Path(run) / CONFIG
    try:
        config = json.loads(path.read_text())
        config["settings"]["batch_size"], config["settings"]["epochs"], config["settings"]["seed"]
        config["variant"], config["data"]
        if "clip" in config:
            config["clip"]["name"], config["clip"]["weights_sha256"], config["clip"]["embedding_dim"]
            config["data_settings"], config["clip_spec"], config["precision"]
    except FileNotFoundError:
        raise UserError(f"{run} is not a run folder (no {CONFIG}); train one, or name another --run.") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{path} is not what `python -m cvae train` writes; name the folder of a run.") from None
    return config


def read_prompted_config(run):
    """Reads `run.json` of a model that is asked by prompts, with its "clip", "clip_spec" and "precision".

    Raises:
        UserError: see `read_config`; or the model knows labels only.
    """
    config = read_config(run)
    if find_variant(config["variant"]).system == "autoencoder":
        raise UserError(f"{run} is a {config['variant']}, which knows no prompts; name a run of a flow.")
    if "clip" not in config:
        raise UserError(f"{run} is a {config['variant']}, which is asked by --labels and not by prompts.")
    return config


def info_of(run, config, hint):
    """The `preprocess.datasets.DataInfo` of what a run was trained on.

    Raises:
        UserError: the data are gone, with a hint at what to do then; or see `preprocess.datasets.read_info`.
    """
    if not pathlib.Path(config["data"]).is_dir():
        raise UserError(f"the data of {run}, {config['data']}, are not there any more; {hint}.")
    return read_info(config["data"])


def save_without_optimizer(model, path, plain=None):
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


def find_model(run, file_name=BEST):
    """The path of a run's model.

    Raises:
        UserError: the folder is not a run, has no model yet, or the file is cut short.
    """
    read_config(run)
    path = pathlib.Path(run) / file_name
    if not path.is_file():
        raise UserError(
            f"{run} has no {file_name}, which the first finished epoch leaves; train it with `python -m cvae train`."
        )
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is damaged; train the run again with --overwrite.")
    return path


def load_model(run, file_name=BEST):
    """Loads a run's model.

    Raises:
        UserError: the folder is not a run, has no model yet, or the file is damaged.
    """
    return load_keras(find_model(run, file_name))


def load_keras(path):
    """Loads a model from a `.keras` file of this project's.

    Raises:
        UserError: the file is damaged, or another's.
    """
    keras = import_keras()
    from cvae import (  # noqa: F401  registers classes by their names
        attribute_cvae,
        clip_cvae,
        clip_cvae_gan,
        clip_vae,
        clip_wgan_gp,
        latent_flow,
        optimizers,
        rectified_flow,
        spatial_vae,
    )

    try:
        return keras.models.load_model(path, safe_mode=True)
    # What a damaged or foreign file makes zipfile, h5py and Keras raise; a full memory is not the file's fault.
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:150]
        raise UserError(
            f"{path} cannot be loaded ({reason}); if the file is damaged, train the run again with --overwrite."
        ) from None


def write_log(run, history):
    """Writes log.csv from a list of one dict an epoch."""
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_text(pathlib.Path(run) / LOG, table.getvalue())


def read_log(run):
    """Reads log.csv as a list of one dict an epoch; an empty one if there is none.

    Raises:
        UserError: it is damaged.
    """
    path = pathlib.Path(run) / LOG
    if not path.is_file():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                {name: int(value) if name == "epoch" else float(value) for name, value in row.items()}
                for row in csv.DictReader(file)
            ]
    except (ValueError, TypeError):
        raise UserError(f"{path} is damaged; put it back, or begin the run anew with --overwrite.") from None


def best_epoch(history):
    """The row of the lowest validation loss; of a GAN, which has none, the newest."""
    if "val_loss" not in history[0]:
        return history[-1]
    return min(history, key=lambda row: row["val_loss"])


def describe_epoch(row):
    """What a row of the log says, of validation where there was any."""
    validated = "val_loss" in row
    own = {name: value for name, value in row.items() if name not in ("epoch", "loss", "learning_rate", "val_loss")}
    parts = {
        name.removeprefix("val_"): value for name, value in own.items() if name.startswith("val_") or not validated
    }
    parts = ", ".join(f"{name} {value:.{1 if abs(value) >= 10 else 3}f}" for name, value in parts.items())
    if not validated:
        return f"loss {row['loss']:.5g} in the last epoch ({parts})"
    where = f" ({parts})" if parts else ""
    return f"best validation loss {row['val_loss']:.5g} in epoch {row['epoch']}{where}"
