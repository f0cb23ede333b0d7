import json
import shutil

import numpy as np
import pytest

import cvae.export
from cvae.export import export
from cvae.keras_files import load_keras
from cvae.runs import Run
from preprocess.utils.errors import UserError


def test_a_run_comes_along_in_half_its_size_and_draws_the_same(run, tmp_path, monkeypatch):
    monkeypatch.setattr(cvae.export, "FOLDER", tmp_path)
    began = Run(shutil.copytree(run, tmp_path / "run"))
    began.update(options={"init": str(run)})
    export(began, "mine")
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["options"] == {}
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["best.keras", "log.csv", "run.json"]
    assert (tmp_path / "mine" / "best.keras").stat().st_size < 0.6 * (run / "best.keras").stat().st_size
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["data"] == cvae.export.DATA
    noise = np.random.default_rng(0).standard_normal((2, 128)).astype(np.float32)
    texts = np.eye(512, dtype=np.float32)[:2]
    whole, half = Run(run).model(), load_keras(tmp_path / "mine" / "best.keras")
    np.testing.assert_allclose(half.draw(noise, texts), whole.draw(noise, texts), atol=0.02)


def test_one_that_comes_along_is_never_replaced(run, tmp_path, monkeypatch):
    monkeypatch.setattr(cvae.export, "FOLDER", tmp_path)
    export(Run(run), "mine")
    with pytest.raises(UserError, match="holds a model already"):
        export(Run(run), "mine")
