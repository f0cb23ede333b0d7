"""Every notebook from top to bottom with small parameters, and a form filled in wrongly."""

import pathlib

import nbformat
import pytest

from cvae.notebook_tools import setup
from preprocess.utils.errors import UserError
from tests.helpers import ROOT

papermill = pytest.importorskip("papermill")

FOLDER = ROOT / "notebooks"
SMALL = {"PASTURE_COUNT": 120}
TRAINED = SMALL | {"EPOCHS": 1, "WIDTH": 1 / 16}
PARAMETERS = {
    "1_prepare_dataset": SMALL,
    "2_train": TRAINED | {"VARIANT": "64-text"},
    "3_generate": TRAINED | {"COUNT": 2},
    "4_compare": TRAINED | {"ROWS": "1"},
    "5_digits": {"EPOCHS": 1, "WIDTH": 1 / 8, "MAP_COUNT": 100},
    "6_faces": {"EPOCHS": 1, "WIDTH": 1 / 16, "FACES_COUNT": 120, "COUNT": 2, "VARIANTS": "celeba-cvae"},
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
def test_a_wrong_field_gives_one_sentence_at_once(tmp_path):
    with pytest.raises(papermill.PapermillExecutionError) as failure:
        execute("2_train", tmp_path, SMALL | {"BATCH_SIZE": 0, "WORK": str(tmp_path / "work")})
    assert failure.value.ename == "UserError"
    [shown] = failure.value.traceback
    assert shown.startswith("error: ") and "BATCH_SIZE must be a whole number, 2 or more" in shown
    assert not list(tmp_path.glob("work/*")), "nothing was made before the form was checked"


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("1_prepare_dataset", {"ZIP": "gone.zip"}, "gone.zip not found"),
        ("1_prepare_dataset", {"THEME": "tiny"}, "no theme 'tiny'"),
        ("1_prepare_dataset", {"WORDS": "goat, ?"}, "not a word"),
        ("1_prepare_dataset", {"PASTURE_COUNT": 3}, "--pasture-count"),
        ("1_prepare_dataset", {"PASTURE_COUNT": 150.5}, "--pasture-count must be a whole number"),
        ("1_prepare_dataset", {"WORK": " "}, "name is empty"),
        ("1_prepare_dataset", {"USE_DRIVE": True}, "in Colab only"),
        ("2_train", {"VARIANT": "65-image"}, "no variant '65-image'"),
        ("2_train", {"DATA": "gone"}, "gone has no manifest"),
        ("2_train", {"EPOCHS": -1}, "--epochs"),
        ("2_train", {"EPOCHS": "ten"}, "--epochs must be a whole number"),
        ("2_train", {"LEARNING_RATE": 3}, "--learning-rate"),
        ("2_train", {"PRECISION": "float8"}, "--precision"),
        ("2_train", {"WIDTH": 0}, "--width"),
        ("2_train", {"SEED": -1}, "--seed"),
        ("3_generate", {"PROMPTS": " | a cow"}, "prompt is empty"),
        ("3_generate", {"FROM": ""}, "prompt is empty"),
        ("3_generate", {"COUNT": 0}, "--count"),
        ("3_generate", {"SEED": -1}, "--seed"),
        ("3_generate", {"IMAGE": "gone.jpg"}, "gone.jpg cannot be read"),
        ("3_generate", {"RUN": "gone"}, "gone is not a run folder"),
        ("3_generate", {"COUNT": "four"}, "--count must be a whole number"),
        ("4_compare", {"ROWS": "8"}, "rows are named by numbers from 1 to 7"),
        ("4_compare", {"CAPTIONS_MEASURED": 0}, "--captions-measured"),
        ("5_digits", {"DATA": "gone"}, "gone is no folder"),
        ("5_digits", {"LABELS": "3, 12"}, "from 0 to 9"),
        ("5_digits", {"CORNERS": "1, 2"}, "must name 4 digits"),
        ("5_digits", {"COUNT": 0}, "--count"),
        ("5_digits", {"MAP_COUNT": 1}, "--map-count"),
        ("6_faces", {"ZIP": "gone.zip"}, "gone.zip not found"),
        ("6_faces", {"VARIANTS": "64-image"}, "is no variant of faces"),
        ("6_faces", {"ADD": "Smilling"}, "did you mean Smiling"),
        ("6_faces", {"FACES_COUNT": 3}, "--faces-count"),
        ("6_faces", {"EPOCHS": -1}, "--epochs"),
        ("6_faces", {"PROMPTS": ""}, "prompt is empty"),
    ],
)
def test_fields_are_checked_before_the_work_begins(tmp_path, monkeypatch, name, wrong, message):
    monkeypatch.chdir(tmp_path)
    cells = nbformat.read(FOLDER / f"{name}.ipynb", 4).cells
    form = next(index for index, cell in enumerate(cells) if "parameters" in cell.metadata.get("tags", ()))
    fields = {"setup": setup, "pathlib": pathlib}
    exec(cells[form].source, fields)
    assert set(wrong) <= set(fields), "a field of that name"
    with pytest.raises(UserError, match=message):
        exec(cells[form + 1].source, fields | {"WORK": "work"} | wrong)
    assert not list(tmp_path.glob("work/*"))


def test_all_begin_alike():
    first = {nbformat.read(path, 4).cells[1].source for path in FOLDER.glob("*.ipynb")}
    assert len(first) == 1


def test_committed_notebooks_show_their_pictures_and_stay_small():
    for path in FOLDER.glob("*.ipynb"):
        text = path.read_text()
        assert len(text) < 1e6, path
        assert "image/jpeg" in text and "colab-badge" in text, path
