"""Every registered model: builds from its config, trains in three precisions, and draws the same when loaded."""

import os

import pytest

from cvae.registry import find_systems, import_models
from preprocess.utils.quiet import import_keras
from tests.cvae.contract import make_models
from tests.helpers import ROOT, command


def registered_models():
    """The names of all Keras models of the project that can be saved."""
    keras = import_keras()
    import_models()
    found = keras.saving.get_custom_objects()
    return {kind.__name__ for name, kind in found.items() if name.startswith("cvae>") and issubclass(kind, keras.Model)}


def test_every_registered_model_is_tested():
    assert set(make_models("float32")) == registered_models() - {"Colour"}
    assert len(find_systems()) == 4


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_every_model_trains_without_a_nan_and_draws_the_same_in_a_fresh_process(backend, tmp_path, monkeypatch):
    pytest.importorskip(backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    for step in ("train", "load"):
        process = command(ROOT / "tests" / "cvae" / "contract.py", step, tmp_path)
        assert process.returncode == 0, process.stderr[-3000:]
    assert set(process.stdout.split()) == registered_models() - {"Colour"}
    assert os.environ["KERAS_BACKEND"] == backend
