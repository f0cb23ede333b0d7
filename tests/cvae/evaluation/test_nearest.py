import json

import numpy as np
import pytest
from PIL import Image

from cvae.evaluation.nearest import find_nearest, share_nearer
from cvae.runs import Run
from preprocess.shards.info import read_info
from preprocess.shards.records import embeddings_of, image_of, read_shard
from tests.helpers import assert_user_error, command


@pytest.fixture(scope="module")
def training(embedded):
    """[(image of 64 px, embedding)] of the training images."""
    examples = [example for shard in read_info(embedded).paths("train") for example in read_shard(shard)]
    return [(image_of(example, 64), embeddings_of(example)[0]) for example in examples]


def test_training_images_find_themselves_and_mirrored_ones_too(embedded, training):
    chosen = [3, 30, 41]
    images = np.stack([training[row][0] for row in chosen])
    embeddings = np.stack([training[row][1] for row in chosen])
    found = find_nearest(read_info(embedded), 64, embeddings, images[:, :, ::-1] / np.float32(255))
    for near in found.values():
        np.testing.assert_allclose(near.distances, 0, atol=2e-3)
        np.testing.assert_array_equal(near.images, images)


def test_a_change_is_a_distance(embedded, training):
    image, embedding = training[7]
    other = training[8][1]
    picture = np.clip(image / np.float32(255) * 0.98, 0, 1)
    found = find_nearest(read_info(embedded), 64, other[None], picture[None])
    np.testing.assert_array_equal(found["pixels"].images[0], image)
    assert 0 < found["pixels"].distances[0] < 0.03
    assert found["encoder"].distances[0] <= 1 - other @ embedding + 1e-6


def test_the_share_is_half_for_equals_and_one_for_copies():
    distances = np.random.default_rng(0).random(400)
    assert share_nearer(distances[:200], distances[200:]) == pytest.approx(0.5, abs=0.08)
    assert share_nearer(np.zeros(3), distances) == 1 and share_nearer(np.ones(2), np.ones(5)) == 0.5


def test_the_command_on_drawn_pictures_and_on_a_training_image(run, training, tmp_path):
    process = command("-m", "cvae", "nearest", "--run", run, "--count", 8)
    assert process.returncode == 0, process.stderr
    assert "8 pictures beside" in process.stdout and "nearest.png" in process.stdout
    [folder] = (run / "nearest").iterdir()
    figures = json.loads((folder / "nearest.json").read_text())
    assert all(0 <= figures[name]["share"] <= 1 for name in ("encoder", "pixels"))
    Image.fromarray(training[5][0]).save(tmp_path / "copy.png")
    report = Run(run).call("nearest", [tmp_path / "copy.png"], None, 8)
    assert report.figures["pixels"]["share"] == 1 and report.figures["pixels"]["median"] < 0.01


def test_a_file_that_is_no_picture(run, tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    for path, what in ((tmp_path / "a.png", "cannot be used"), (tmp_path / "b.png", "cannot be read")):
        assert_user_error(command("-m", "cvae", "nearest", "--run", run, path), what)
