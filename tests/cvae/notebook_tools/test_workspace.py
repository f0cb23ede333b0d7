import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cvae.notebook_tools import workspace
from cvae.runs import Run
from cvae.sampling.pictures import Pictures
from cvae.systems.faces.portraits import read_portraits
from preprocess.pasture import PASTURE_CLIP
from preprocess.shards.info import read_info
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json
from preprocess.utils.folders import read_manifest


def test_data_are_drawn_only_where_there_are_none(embedded, tmp_path):
    assert workspace.embedded_data(tmp_path, str(embedded), 120) == embedded
    with pytest.raises(UserError, match="gone is not there"):
        workspace.embedded_data(tmp_path, str(tmp_path / "gone"), 120)
    with pytest.raises(UserError, match="100 or more"):
        workspace.embedded_data(tmp_path, "", 10)
    assert list(tmp_path.iterdir()) == []
    data = workspace.embedded_data(tmp_path, "", 100)
    assert data == tmp_path / "embedded" and read_manifest(data, "")["counts"]["train"] > 40
    before = (data / "manifest.json").stat().st_mtime_ns
    assert workspace.embedded_data(tmp_path, "", 150) == data and (data / "manifest.json").stat().st_mtime_ns == before
    assert workspace.prepare(tmp_path / "pasture" / "train2017.zip", tmp_path, str(PASTURE_CLIP))["complete"]

    # Interrupted on the way, it goes on; where it was not drawn here, it is left to the notebook that prepares.
    manifest = json.loads((data / "manifest.json").read_text())
    write_json(data / "manifest.json", manifest | {"complete": False})
    assert workspace.embedded_data(tmp_path, "", 100) == data and read_manifest(data, "") == manifest
    write_json(data / "manifest.json", manifest | {"complete": False})
    (tmp_path / "pasture").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="run the first notebook again"):
        workspace.embedded_data(tmp_path, "", 100)


def test_a_wrong_encoder_is_named_before_anything_is_made(pasture, tmp_path):
    with pytest.raises(UserError, match="ViT-B/99"):
        workspace.prepare(pasture / "train2017.zip", tmp_path, "ViT-B/99")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_run_is_found_finished_or_trained(embedded, tmp_path, monkeypatch):
    given = {"epochs": 2, "batch_size": 16, "width": 1 / 16, "precision": "float32"}
    monkeypatch.setattr(workspace, "embedded_data", lambda work, data, count: embedded)
    run = workspace.trained_run(tmp_path, "", given | {"epochs": 1}, 100)
    assert run.folder == tmp_path / "runs" / "64-image" and len(run.log()) == 1
    # As if it had been interrupted after one epoch of two.
    run.update(settings=run.settings | {"epochs": 2})
    run = workspace.trained_run(tmp_path, "", given, 100)
    assert len(run.log()) == 2
    # Another notebook's run is taken as it is.
    assert len(workspace.trained_run(tmp_path, "", given | {"epochs": 9}, 100).log()) == 2
    assert workspace.trained_run(tmp_path, str(run), given, 100).folder == run.folder
    with pytest.raises(UserError, match="not a run folder"):
        workspace.trained_run(tmp_path, str(embedded), given, 100)


def test_images_to_reconstruct_come_from_a_file_or_from_the_data(run, tmp_path):
    images, embeddings = workspace.images_to_reconstruct(Run(run), "", count=5)
    assert images.shape == (5, 64, 64, 3) and embeddings.shape == (5, 512)
    Image.fromarray(np.full((90, 120, 3), 200, np.uint8)).save(tmp_path / "photo.png")
    image, embedding = workspace.images_to_reconstruct(Run(run), str(tmp_path / "photo.png"), count=5)
    assert image.shape == (1, 64, 64, 3) and image.mean() == pytest.approx(200 / 255, abs=0.01)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    assert Run(run).model().encode(image, embedding)[0].shape == (1, 128)
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(UserError, match=r"text.jpg cannot be used: not an image"):
        workspace.images_to_reconstruct(Run(run), str(tmp_path / "text.jpg"), count=1)
    with pytest.raises(UserError, match="gone.jpg cannot be read"):
        workspace.images_to_reconstruct(Run(run), "gone.jpg", count=1)


def test_where_the_data_are_not_here_what_was_drawn_is_reconstructed(run, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(run, moved)
    opened = Run(moved)
    opened.update(data="gone")
    drawn = Pictures(np.full((2, 3, 64, 64, 3), 51, np.uint8), ["a", "b"])
    images, embeddings = workspace.images_to_reconstruct(opened, "", 5, drawn)
    assert images.shape == (5, 64, 64, 3) and np.allclose(images, 0.2) and embeddings.shape == (5, 512)


def test_faulty_portraits_are_named_before_anything_is_made(tmp_path):
    workspace.check_faces("", "", 100)
    for arguments, message in (
        (("", "", 10), "100 or more"),
        (("gone.zip", "", 100), "gone.zip not found"),
    ):
        with pytest.raises(UserError, match=message):
            workspace.check_faces(*arguments)


def test_the_portrait_to_edit_is_a_file_or_one_that_no_model_was_trained_on(portraits, tmp_path):
    assert workspace.portrait_to_edit(portraits, "mine.jpg", tmp_path).name == "mine.jpg"
    path = workspace.portrait_to_edit(portraits, "", tmp_path)
    [first] = read_portraits(read_info(portraits), "val", 1).images
    np.testing.assert_array_equal(np.asarray(Image.open(path)), first)
