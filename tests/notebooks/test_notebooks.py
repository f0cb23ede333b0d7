"""Every notebook from top to bottom with small parameters, and a form filled in wrongly."""

import json
import pathlib
import shutil
import sys
import types

import nbformat
import pytest

from cvae.notebook_tools import setup
from cvae.registry import all_variants, variants_with
from cvae.systems.flow import DATA
from preprocess.utils.errors import UserError
from tests.helpers import ROOT

papermill = pytest.importorskip("papermill")

FOLDER = ROOT / "notebooks"
SMALL = {"PASTURE_COUNT": 120}
TRAINED = SMALL | {"EPOCHS": 1, "WIDTH": 1 / 16}
PARAMETERS = {
    "0_try": {"COUNT": 2, "PRESET": "pasture-128"},
    "1_prepare_dataset": SMALL,
    "2_train": TRAINED | {"VARIANT": "64-text"},
    "3_generate": TRAINED | {"COUNT": 2, "RUN": ""},
    "4_compare": TRAINED | {"ROWS": "1", "FLOW_EPOCHS": 1},
    "5_digits": {"EPOCHS": 1, "WIDTH": 1 / 8, "MAP_COUNT": 100},
    "6_faces": {"EPOCHS": 1, "WIDTH": 1 / 16, "FACES_COUNT": 120, "COUNT": 2, "VARIANTS": "celeba-cvae"},
}


def execute(name, folder, parameters):
    return papermill.execute_notebook(
        FOLDER / f"{name}.ipynb", folder / f"{name}.ipynb", parameters, cwd=FOLDER, progress_bar=False
    )


def pictures_in(notebook):
    """How many pictures its cells show."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum("image/jpeg" in output.get("data", {}) for output in outputs)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("notebooks")


def test_there_is_a_test_for_every_notebook():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(PARAMETERS)


# One for everybody; the others, which work on what the first leaves, are slow.
QUICK = "5_digits"


@pytest.mark.parametrize(
    "name", [name if name == QUICK else pytest.param(name, marks=pytest.mark.slow) for name in PARAMETERS]
)
def test_runs_from_top_to_bottom_and_shows_pictures(work, name):
    # In one folder, so that each finds what the one before it left, as in Colab.
    notebook = execute(name, work, PARAMETERS[name] | {"WORK": str(work)})
    assert pictures_in(notebook) > 0


@pytest.mark.slow
def test_the_third_notebook_draws_with_a_run_that_comes_along(tmp_path):
    notebook = execute("3_generate", tmp_path, {"WORK": str(tmp_path), "COUNT": 2})
    assert pictures_in(notebook) > 3


@pytest.mark.slow
def test_a_flow_draws_in_the_third_notebook(flow_run, tmp_path):
    parameters = {"RUN": str(flow_run), "WORK": str(tmp_path), "COUNT": 2}
    notebook = execute("3_generate", tmp_path, PARAMETERS["3_generate"] | parameters)
    assert pictures_in(notebook) > 3


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
        ("2_train", {"DATA": "gone"}, "gone is not there"),
        ("2_train", {"EPOCHS": -1}, "--epochs"),
        ("2_train", {"EPOCHS": "ten"}, "--epochs must be a whole number"),
        ("2_train", {"VARIANT": "64-image", "LEARNING_RATE": 3}, "--learning-rate"),
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
        ("4_compare", {"FLOW_WIDTH": 0}, "--width"),
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


def test_the_list_of_variants_has_all_that_draw_photographs():
    [line] = [line for line in (FOLDER / "2_train.ipynb").read_text().splitlines() if '"VARIANT = ' in line]
    photographs = {name for name, variant in all_variants().items() if variant.data == DATA}
    assert set(json.loads(json.loads(line.strip().rstrip(","))[:-1].split("#@param ")[1])) == photographs & set(
        variants_with("generate")
    )


def test_all_begin_alike():
    first = {nbformat.read(path, 4).cells[1].source for path in FOLDER.glob("*.ipynb")}
    assert len(first) == 1


def test_committed_notebooks_show_their_pictures_and_stay_small():
    for path in FOLDER.glob("*.ipynb"):
        text = path.read_text()
        assert len(text) < 1e6, path
        assert "image/jpeg" in text and "colab-badge" in text, path


class Colab:
    """What of Colab the first cell uses: Drive with or without the code, and a file that is uploaded or none."""

    def __init__(self, in_drive=None, uploaded=()):
        self.in_drive, self.uploaded, self.asked = in_drive, uploaded, []

    def install(self, monkeypatch):
        drive = types.SimpleNamespace(mount=lambda place: self.asked.append("drive"))
        files = types.SimpleNamespace(upload=self.upload)
        for name, module in {"google.colab": types.SimpleNamespace(drive=drive, files=files), "google": None}.items():
            monkeypatch.setitem(sys.modules, name, module or types.SimpleNamespace())

    def upload(self):
        self.asked.append("upload")
        return {name: b"" for name in self.uploaded}


def first_cell(monkeypatch, folder, clones=False):
    """Runs what the first cell defines, in a folder without the code; cloning works or not. Returns its names."""
    [source] = {nbformat.read(path, 4).cells[1].source for path in FOLDER.glob("*.ipynb")}
    monkeypatch.chdir(folder)

    def run(command, **options):
        if clones:
            make_code(folder / command[-1])
        return types.SimpleNamespace(returncode=0 if clones else 128)

    monkeypatch.setattr("subprocess.run", run)
    names = {}
    exec(source[: source.index("root = find_code()")], names)
    return names


def make_code(folder):
    (folder / "cvae" / "notebook_tools").mkdir(parents=True)
    (folder / "cvae" / "notebook_tools" / "setup.py").write_text("")
    return folder


def test_the_first_cell_clones_the_code(tmp_path, monkeypatch):
    assert first_cell(monkeypatch, tmp_path, clones=True)["find_code"]().name == "clip-cvae"


@pytest.mark.parametrize("packed", [False, True])
def test_where_that_fails_it_looks_in_drive(tmp_path, monkeypatch, packed):
    names, colab = first_cell(monkeypatch, tmp_path), Colab()
    colab.install(monkeypatch)
    code = make_code(tmp_path / "drive" / "clip-cvae")
    if packed:
        shutil.make_archive(str(code), "zip", code.parent, "clip-cvae")
        shutil.rmtree(code)
    # As a path that begins with "/", it takes the place of Drive's own.
    names["CODE_IN_DRIVE"] = str(code)
    found = names["find_code"]()
    assert (found / "cvae" / "notebook_tools" / "setup.py").is_file() and colab.asked == ["drive"]


def test_then_it_asks_for_a_zip_and_at_last_says_what_it_tried(tmp_path, monkeypatch):
    names, colab = first_cell(monkeypatch, tmp_path), Colab(uploaded=["code.zip"])
    colab.install(monkeypatch)
    make_code(tmp_path / "packed" / "clip-cvae-main")
    shutil.make_archive(str(tmp_path / "code"), "zip", tmp_path / "packed")
    assert names["find_code"]().name == "clip-cvae-main" and colab.asked == ["drive", "upload"]
    shutil.rmtree(tmp_path / "clip-cvae.unpacked")
    Colab().install(monkeypatch)
    with pytest.raises(SystemExit, match="cannot be cloned, Drive has no .*, and no zip was uploaded"):
        names["find_code"]()


def test_without_colab_it_says_the_same(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="cannot be cloned"):
        first_cell(monkeypatch, tmp_path)["find_code"]()
