"""TensorFlow, alone or under Keras, without its banners."""

import contextlib
import importlib.util
import json
import os
import pathlib
import sys
import types
from collections.abc import Iterator

from preprocess.utils.command import open_streams
from preprocess.utils.errors import UserError

# Keras' backends that everything here is tested with.
BACKENDS = ("tensorflow", "jax")


open_streams()
# Where errors go, for processes that are started while this one's are turned off.
STANDARD_ERROR = os.dup(2)


@contextlib.contextmanager
def _no_standard_error() -> Iterator[None]:
    """Sends what C++ writes to standard error nowhere, which Python's own redirection cannot."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def _check_backend() -> None:
    named = os.environ.get("KERAS_BACKEND")
    if not named:
        try:
            home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
            named = json.loads((pathlib.Path(home) / "keras.json").read_bytes())["backend"]
        # None, a damaged one, which Keras replaces, or nobody's home.
        except (OSError, ValueError, KeyError, TypeError, RecursionError, RuntimeError):
            return
        if named not in BACKENDS:
            # Chosen for other programs.
            named = os.environ["KERAS_BACKEND"] = next(filter(importlib.util.find_spec, BACKENDS), BACKENDS[0])
    if named not in BACKENDS:
        raise UserError(f"there is no backend {named} here; set KERAS_BACKEND to one of: {', '.join(BACKENDS)}.")
    if not importlib.util.find_spec(named):
        raise UserError(f"the backend {named} is not installed; install it, or set KERAS_BACKEND to another.")


def import_tensorflow() -> types.ModuleType:
    """Imports TensorFlow and returns it. Its log shows fatal errors only, unless TF_CPP_MIN_LOG_LEVEL is set.

    Raises:
        UserError: Keras, which it imports, is to use a backend that is not installed, or none that this project uses.
    """
    _check_backend()
    # All of a GPU's memory at once would leave none to CLIP's process, or to JAX.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
        # Messages from before its log is set up come whatever the level; others' would be lost the next times.
        with contextlib.nullcontext() if "tensorflow" in sys.modules else _no_standard_error():
            import tensorflow

            # Of functions that are traced for several models, each rightly.
            tensorflow.get_logger().setLevel("ERROR")
    import tensorflow

    return tensorflow


def import_keras() -> types.ModuleType:
    """Imports Keras and returns it, with whichever backend KERAS_BACKEND or Keras' own settings name.

    Raises:
        UserError: see `import_tensorflow`.
    """
    # First and quietly, since Keras imports it for its data pipelines on every backend, where it is installed.
    if importlib.util.find_spec("tensorflow"):
        import_tensorflow()
    else:
        _check_backend()
    import keras

    # Layers and losses here are written for these, whatever a user's keras.json says.
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    return keras
