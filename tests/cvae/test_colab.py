import pathlib
import subprocess

import numpy as np
import pytest
from conftest import PASTURE_CLIP
from PIL import Image

from cvae import colab
from cvae.comparison import ROWS, choose_rows
from cvae.runs import load_model
from preprocess.errors import UserError
from preprocess.files import read_manifest


@pytest.fixture
def pip(monkeypatch):
    """Records what pip is asked for in place of asking; `pip.failing` are parts of requirements that it refuses."""

    class Pip:
        requests, constraints, failing = (), "", ()

        def run(self, command, **options):
            requirements = command[command.index("-c") + 2 :]
            self.constraints = pathlib.Path(command[command.index("-c") + 1]).read_text()
            self.requests += (requirements,)
            refused = any(part in requirement for part in self.failing for requirement in requirements)
            return subprocess.CompletedProcess(command, int(refused), "", "many lines\nno such repository" * refused)

    recorded = Pip()
    monkeypatch.setattr(colab.subprocess, "run", recorded.run)
    return recorded


def test_only_what_is_missing_is_installed_and_nothing_is_replaced(pip, monkeypatch):
    monkeypatch.setattr(colab, "_is_missing", lambda module: module in ("ftfy", "pycocotools"))
    colab._install_missing()
    assert pip.requests == (["ftfy", "pycocotools"],)
    pinned = dict(line.split("==") for line in pip.constraints.splitlines())
    assert set(pinned) == set(colab.KEPT) and pinned["numpy"] == np.__version__


def test_clip_comes_from_openai_and_from_the_package_index_where_that_fails(pip, monkeypatch):
    monkeypatch.setattr(colab, "_is_missing", lambda module: module == "clip")
    pip.failing = ("github.com",)
    with pytest.raises(UserError, match="CLIP cannot be installed"):  # it never appears here
        colab._install_missing()
    assert [request[0] for request in pip.requests] == ["git+https://github.com/openai/CLIP.git", "clip-anytorch"]
    pip.requests, pip.failing = (), ("ftfy",)
    monkeypatch.setattr(colab, "_is_missing", lambda module: module == "ftfy")
    with pytest.raises(UserError, match="ftfy cannot be installed .no such repository"):
        colab._install_missing()


def test_a_work_folder_is_made_here_or_in_drive(tmp_path):
    assert colab.work_folder(str(tmp_path / "a" / "b")).is_dir()
    with pytest.raises(UserError, match="in Colab only"):
        colab.work_folder("work", "Deep Learning FP")
    for name, drive in ((" ", None), ("work", "")):
        with pytest.raises(UserError, match="name is empty"):
            colab.work_folder(name, drive)


def test_data_are_drawn_only_where_there_are_none(embedded, tmp_path):
    assert colab.embedded_data(tmp_path, str(embedded), 120) == embedded
    with pytest.raises(UserError, match="gone has no manifest"):
        colab.embedded_data(tmp_path, str(tmp_path / "gone"), 120)
    with pytest.raises(UserError, match="at least 100"):
        colab.embedded_data(tmp_path, "", 10)
    assert list(tmp_path.iterdir()) == []
    data = colab.embedded_data(tmp_path, "", 100)
    assert data == tmp_path / "embedded" and read_manifest(data, "")["counts"]["train"] > 40
    before = (data / "manifest.json").stat().st_mtime_ns
    assert colab.embedded_data(tmp_path, "", 150) == data and (data / "manifest.json").stat().st_mtime_ns == before
    assert colab.prepare(tmp_path / "pasture" / "train2017.zip", tmp_path, str(PASTURE_CLIP))["complete"]


def test_images_to_reconstruct_come_from_a_file_or_from_the_data(run, tmp_path):
    images, embeddings = colab.images_to_reconstruct(run, "", count=5)
    assert images.shape == (5, 64, 64, 3) and embeddings.shape == (5, 512)
    Image.fromarray(np.full((90, 120, 3), 200, np.uint8)).save(tmp_path / "photo.png")
    image, embedding = colab.images_to_reconstruct(run, str(tmp_path / "photo.png"), count=5)
    assert image.shape == (1, 64, 64, 3) and image.mean() == pytest.approx(200 / 255, abs=0.01)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    assert load_model(run).encode(image, embedding)[0].shape == (1, 128)
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(UserError, match=r"text.jpg cannot be used: not an image"):
        colab.images_to_reconstruct(run, str(tmp_path / "text.jpg"), count=1)
    with pytest.raises(UserError, match="gone.jpg not found"):
        colab.check_file("gone.jpg")
    colab.check_file("")


def test_rows_are_chosen_by_number():
    assert choose_rows("") == ROWS and choose_rows("3, 1") == (ROWS[2], ROWS[0])
    for text in ("0", "8", "two", "1-3"):
        with pytest.raises(UserError, match="from 1 to 7"):
            choose_rows(text)
