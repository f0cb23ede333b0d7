"""Every registered model: builds from its config, trains in three precisions, and draws the same when loaded."""

import pytest

from cvae.registry import import_models
from preprocess.utils.quiet import import_keras
from tests.cvae.contract import make_models
from tests.helpers import ROOT, command


def registered_models():
    """The names of all Keras models of the systems that can be saved."""
    keras = import_keras()
    import_models()
    found = keras.saving.get_custom_objects()
    ours = [kind for kind in found.values() if isinstance(kind, type) and kind.__module__.startswith("cvae.")]
    return {kind.__name__ for kind in ours if issubclass(kind, keras.Model)}


def test_every_registered_model_is_tested():
    assert set(make_models("float32")) == registered_models()


@pytest.mark.parametrize(
    ("backend", "policies"),
    [
        ("tensorflow", ("mixed_float16", "float32")),
        pytest.param("tensorflow", ("mixed_bfloat16",), marks=pytest.mark.slow),
        # JAX multiplies no float16 on CPUs.
        pytest.param("jax", ("mixed_bfloat16",), marks=pytest.mark.slow),
    ],
)
def test_every_model_trains_without_a_nan_and_draws_the_same_in_a_fresh_process(
    backend, policies, tmp_path, monkeypatch
):
    pytest.importorskip(backend)
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    for arguments in (("train", tmp_path, *policies), ("load", tmp_path)):
        process = command(ROOT / "tests" / "cvae" / "contract.py", *arguments)
        assert process.returncode == 0, process.stderr[-3000:]
    assert set(process.stdout.split()) == registered_models()
