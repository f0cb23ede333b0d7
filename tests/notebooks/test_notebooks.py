"""Every notebook from top to bottom with small parameters, and a form filled in wrongly."""

import pytest
from conftest import ROOT

papermill = pytest.importorskip("papermill")

FOLDER = ROOT / "notebooks"
SMALL = {"PASTURE_COUNT": 120}
TRAINED = SMALL | {"EPOCHS": 1, "WIDTH": 1 / 16}
PARAMETERS = {
    "1_prepare_dataset": SMALL,
    "2_train": TRAINED | {"VARIANT": "64-text"},
    "3_generate": TRAINED | {"COUNT": 2},
    "4_compare": TRAINED | {"ROWS": "1"},
}


def execute(name, folder, parameters):
    return papermill.execute_notebook(
        FOLDER / f"{name}.ipynb", folder / f"{name}.ipynb", parameters, cwd=FOLDER, progress_bar=False
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("notebooks")


def test_there_is_a_test_for_every_notebook():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(PARAMETERS)


@pytest.mark.slow
@pytest.mark.xdist_group("notebooks")
@pytest.mark.parametrize("name", PARAMETERS)
def test_runs_from_top_to_bottom_and_shows_pictures(work, name):
    # In one folder, so that each finds what the one before it left, as in Colab.
    notebook = execute(name, work, PARAMETERS[name] | {"WORK": str(work)})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("image/jpeg" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("1_prepare_dataset", {"ZIP": "gone.zip"}, "gone.zip not found"),
        ("2_train", {"BATCH_SIZE": 0}, "--batch-size at least 2"),
        ("3_generate", {"PROMPTS": " | a cow"}, "prompt is empty"),
        ("4_compare", {"ROWS": "8"}, "rows are named by numbers from 1 to 7"),
    ],
)
def test_a_wrong_field_gives_one_sentence_at_once(tmp_path, name, wrong, message):
    with pytest.raises(papermill.PapermillExecutionError) as failure:
        execute(name, tmp_path, SMALL | wrong | {"WORK": str(tmp_path / "work")})
    assert failure.value.ename == "UserError" and message in failure.value.evalue
    assert failure.value.traceback == [f"error: {failure.value.evalue}"]
    assert not list(tmp_path.glob("work/*")), "nothing was made before the form was checked"


def test_committed_notebooks_show_their_pictures_and_stay_small():
    for path in FOLDER.glob("*.ipynb"):
        text = path.read_text()
        assert len(text) < 1e6, path
        assert "image/jpeg" in text and "colab-badge" in text, path
