import shutil

import pytest

from cvae.app.page import build_page
from cvae.app.studio import FIRST, Studio
from cvae.presets import preset_names
from cvae.runs import Run
from preprocess.utils.errors import UserError


@pytest.fixture
def folder(run, tmp_path, monkeypatch):
    """A working folder with one finished run, and one that has only begun."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, "runs/mine")
    shutil.copytree(run, "runs/begun", ignore=shutil.ignore_patterns("*.keras"))
    return tmp_path


def test_it_offers_presets_and_the_finished_runs_here(folder):
    studio = Studio()
    assert studio.first == FIRST
    assert studio.names() == [FIRST, *(name for name in preset_names() if name != FIRST), "runs/mine"]
    assert "runs/mine" in studio.names_with("generate", prompts=True)
    assert "runs/mine" not in studio.names_with("vary") and "photographs-64" in studio.names_with("vary")
    assert "autoencoder" not in studio.names_with("generate", prompts=True)


def test_no_other_folder_of_the_machine_is_opened(folder, run, monkeypatch):
    studio = Studio(Run("runs/mine"))
    assert studio.names()[0] == "mine" and "runs/mine" not in studio.names()
    for name in (str(run), "../64-image", "/etc", "runs/begun", "", "hf://me/x", "<script>"):
        with pytest.raises(UserError, match="there is no model"):
            studio.run(name)


def test_models_and_encoders_are_opened_once(folder):
    studio = Studio(Run("runs/mine"))
    mine = studio.run("mine")
    try:
        assert studio.run("mine") is mine and mine.model() is mine.model()
        first = mine.generate(["a sheep"], count=1)
        with mine.encoder.open() as one, studio.run("pasture-128").encoder.open() as other:
            assert one is other and not one.has_ended()
        one._process.kill()
        one._process.wait()
        # What has ended is started again.
        assert (mine.generate(["a sheep"], count=1).arrays == first.arrays).all()
    finally:
        studio.encoders.close()


def test_a_damaged_run_is_left_out(folder):
    (folder / "runs" / "mine" / "run.json").write_text("{")
    assert "runs/mine" not in Studio().names_with("generate")


def test_a_page_opens_beside_a_damaged_run(folder):
    pytest.importorskip("gradio")
    (folder / "runs" / "mine" / "run.json").write_text("{")
    studio = Studio(Run("photographs-64"))
    try:
        assert build_page(studio)
    finally:
        studio.encoders.close()


def test_no_more_models_are_in_memory_than_are_kept(folder, monkeypatch):
    monkeypatch.setattr("cvae.app.studio.KEPT", 2)
    studio = Studio(Run("runs/mine"))
    for name in ("mine", "digits", "pasture-128"):
        studio.run(name).model()
    assert [studio._kept[name].is_loaded for name in ("mine", "digits", "pasture-128")] == [False, True, True]
