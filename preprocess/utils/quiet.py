"""TensorFlow, alone or under Keras, without its banners."""

import contextlib
import os
import sys
import types
from collections.abc import Iterator


def _duplicate_of_standard_error() -> int | None:
    try:
        return os.dup(2)
    except OSError:  # closed
        return None


# Where errors go, for processes that are started while this one's are turned off.
STANDARD_ERROR = _duplicate_of_standard_error()


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


def import_tensorflow() -> types.ModuleType:
    """Imports TensorFlow and returns it. Its log shows fatal errors only, unless TF_CPP_MIN_LOG_LEVEL is set."""
    # All of a GPU's memory at once would leave none to CLIP's process, or to JAX.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3":
        # Messages from before its log is set up come whatever the level.
        with _no_standard_error():
            import tensorflow

            # Of functions that are traced for several models, each rightly.
            tensorflow.get_logger().setLevel("ERROR")
    import tensorflow

    return tensorflow


def import_keras() -> types.ModuleType:
    """Imports Keras and returns it, with whichever backend KERAS_BACKEND names."""
    # First and quietly, since Keras imports it for its data pipelines on every backend.
    import_tensorflow()
    import keras

    return keras
