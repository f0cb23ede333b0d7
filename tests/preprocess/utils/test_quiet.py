import json
import os

import pytest

from preprocess.utils.errors import UserError
from preprocess.utils.quiet import import_tensorflow


@pytest.mark.parametrize(("name", "words"), [("torch", "no backend torch here"), ("foo", "one of: tensorflow, jax")])
def test_a_backend_that_nothing_here_runs_on_is_named(name, words, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", name)
    with pytest.raises(UserError, match=words):
        import_tensorflow()


def test_a_backend_that_keras_json_names_for_other_programs_is_not_taken(monkeypatch, tmp_path):
    # Set first, so that what the program sets is taken back.
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    import_tensorflow()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_a_backend_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="backend jax is not installed"):
        import_tensorflow()


def test_a_damaged_keras_json_is_left_to_keras(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text("{")
    assert import_tensorflow().__name__ == "tensorflow"
