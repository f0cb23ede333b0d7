"""What a file that a user was given might try: code that runs, paths that lead out of a folder, HTML on a page."""

import io
import json
import pathlib
import stat
import zipfile

import keras
import numpy as np
import pytest

from cvae.keras_files import BEST, load_keras
from cvae.runs import CONFIG, Run
from preprocess.sources.zips import list_images
from preprocess.utils.errors import UserError
from tests.helpers import command, noise_jpeg


def rewrite(source, target, change):
    """Copies a .keras file with its config.json changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, json.dumps(change(json.loads(data))) if name == "config.json" else data)


def test_no_lambda_layer_of_a_model_file_runs(tmp_path, monkeypatch):
    mark = tmp_path / "ran"
    monkeypatch.setenv("MARK", str(mark))
    inputs = keras.Input((2,))
    harm = keras.layers.Lambda(lambda x: [x, __import__("pathlib").Path(__import__("os").environ["MARK"]).touch()][0])
    keras.Model(inputs, harm(inputs)).save(tmp_path / "model.keras")
    mark.unlink()
    with pytest.raises(UserError, match="model.keras cannot be loaded"):
        load_keras(tmp_path / "model.keras")
    assert not mark.exists()
    # What it would have done.
    keras.models.load_model(tmp_path / "model.keras", safe_mode=False)
    assert mark.exists()


def test_nothing_that_a_model_file_names_is_called(run, tmp_path):
    mark = tmp_path / "ran"
    place = {"module": "subprocess", "class_name": "Popen", "config": {"args": f"touch {mark}", "shell": True}}
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / CONFIG).write_bytes((run / CONFIG).read_bytes())
    rewrite(run / BEST, folder / BEST, lambda config: place | {"registered_name": None})
    with pytest.raises(UserError, match=r"best.keras"):
        Run(folder).model()
    assert not mark.exists()


def test_paths_in_an_archive_lead_nowhere(tmp_path):
    """Nothing is unpacked: members' names become names of records, and a link is no image."""
    folder = tmp_path / "work"
    folder.mkdir()
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(noise_jpeg())
    names = ("train2017/000000000001.jpg", "../000000000002.jpg", f"{tmp_path}/000000000003.jpg", "a/../../x.jpg")
    with zipfile.ZipFile(folder / "train2017.zip", "w") as archive:
        for name in names:
            archive.writestr(name, noise_jpeg())
        link = zipfile.ZipInfo("000000000004.jpg")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(secret))
    captions = {
        "images": [{"id": number, "file_name": f"{number:012}.jpg"} for number in range(1, 5)],
        "annotations": [{"image_id": number, "caption": "a sheep on a hill"} for number in range(1, 5)],
    }
    (folder / "captions.json").write_text(json.dumps(captions))
    before = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    process = command("offline_preprocess.py", "--zip", folder / "train2017.zip", "--captions",
                      folder / "captions.json", "--out", folder / "shards", "--workers", 1)  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert {path for path in tmp_path.rglob("*") if folder not in path.parents} == before
    assert "000000000004.jpg" in (folder / "shards" / "rejected.csv").read_text()
    assert len(list_images(folder / "train2017.zip", "a zip")) == 5


def test_a_caption_with_formulas_and_html_is_drawn_as_it_is(tmp_path):
    from cvae.utils.plots import save_sheet

    save_sheet(tmp_path / "sheet.png", [np.zeros((8, 8, 3), np.float32)], ["$\\frac{ <b>cow</b> $x^{"])
    assert pathlib.Path(tmp_path / "sheet.png").stat().st_size


def test_pictures_on_a_notebooks_page_carry_no_html(monkeypatch):
    from cvae.notebook_tools import show

    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    show.show_sheet([np.zeros((8, 8, 3), np.uint8)], ["<script>alert(1)</script>"])
    assert len(shown) == 1 and shown[0].format == "jpeg" and io.BytesIO(shown[0].data).read(2) == b"\xff\xd8"
