"""The command line: what a user may do wrong, and kill -9."""

import os
import time
import zipfile

import pytest

from preprocess.utils.files import PARTIAL
from preprocess.utils.folders import read_manifest
from tests.helpers import ROOT, assert_user_error, command, start, wait_for, write_coco

SCRIPT = ROOT / "offline_preprocess.py"


def test_help_names_every_option():
    process = command(SCRIPT, "--help")
    assert process.returncode == 0
    for option in [
        "--zip",
        "--captions",
        "--theme",
        "--words",
        "--sizes",
        "--out",
        "--shard-size",
        "--workers",
        "--limit",
        "--overwrite",
        "--validation-share",
        "countryside",
    ]:
        assert option in process.stdout


def make_faulty(kind, folder, good):
    path = folder / "train2017.zip"
    if kind == "missing":
        return path
    (folder / "captions_train2017.json").write_bytes(good.with_name("captions_train2017.json").read_bytes())
    data = good.read_bytes()
    if kind == "not a zip":
        path.write_text("a text")
    elif kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "encrypted":
        # The flag's place in the central directory's first entry.
        start = data.rindex(b"PK\x05\x06")
        directory = int.from_bytes(data[start + 16 : start + 20], "little")
        path.write_bytes(data[: directory + 8] + b"\x01" + data[directory + 9 :])
    elif kind == "without images":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "not found"),
        ("not a zip", "not a zip"),
        ("truncated", "cut short"),
        ("encrypted", "encrypted"),
        ("without images", "no .jpg"),
    ],
)
def test_faulty_zips_give_one_sentence_and_leave_nothing(pasture, tmp_path, kind, message):
    path = make_faulty(kind, tmp_path, pasture / "train2017.zip")
    process = command(SCRIPT, "--zip", path, "--out", tmp_path / "out")
    assert_user_error(process, path, message)
    assert not (tmp_path / "out").exists()


def test_faulty_captions_give_one_sentence(pasture, tmp_path):
    zip_path = pasture / "train2017.zip"
    out = ("--out", tmp_path / "out")
    alone = tmp_path / "train2017.zip"
    alone.write_bytes(zip_path.read_bytes())
    assert_user_error(command(SCRIPT, "--zip", alone, *out), "no captions beside", alone)
    assert_user_error(command(SCRIPT, "--zip", zip_path, "--captions", "gone.json", *out), "gone.json", "not found")
    assert_user_error(command(SCRIPT, "--zip", zip_path, "--captions", tmp_path, *out), tmp_path, "is a folder")
    assert_user_error(command(SCRIPT, "--zip", tmp_path, *out), tmp_path, "is a folder")
    text = tmp_path / "text.json"
    text.write_text("{")
    assert_user_error(command(SCRIPT, "--zip", zip_path, "--captions", text, *out), text, "JSON")
    other = write_coco(tmp_path / "other", {"x.jpg": b""}, {"x.jpg": ["a cow"]}).with_name("captions_train2017.json")
    assert_user_error(command(SCRIPT, "--zip", zip_path, "--captions", other, *out), other, "none of the zip's images")
    assert not (tmp_path / "out").exists()


def test_wrong_options_give_one_sentence(pasture, shards, tmp_path):
    zip_path = pasture / "train2017.zip"
    assert_user_error(command(SCRIPT, "--zip", zip_path, "--workers", 0), "--workers")
    assert_user_error(command(SCRIPT, "--zip", zip_path, "--sizes", 4), "--sizes")
    process = command(SCRIPT, "--zip", zip_path, "--theme", "large", "--shard-size", 9, "--out", shards)
    assert_user_error(process, shards, "other settings (shard_size: 16 there, 9 now)", "--overwrite")


def test_words_that_no_caption_holds_are_named(pasture, tmp_path):
    options = ("--words", "zebra", "forest", "--limit", 4, "--sizes", 64, "--out", tmp_path / "out")
    process = command(SCRIPT, "--zip", pasture / "train2017.zip", *options)
    assert process.returncode == 0, process.stderr
    assert "note: no image is described by: zebra." in process.stdout.splitlines()


def test_a_lost_or_cut_shard_is_made_again(pasture, tmp_path):
    out = tmp_path / "out"
    options = (SCRIPT, "--zip", pasture / "train2017.zip", "--limit", 8, "--shard-size", 2, "--sizes", 64, "--out", out)
    assert command(*options).returncode == 0
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    first, second, *_ = sorted(out.glob("*.tfrecord"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    again = command(*options)
    assert again.returncode == 0, again.stderr
    assert {path.name: path.read_bytes() for path in out.iterdir()} == whole


@pytest.mark.slow
def test_kill_and_run_again_gives_the_same_bytes(tmp_path):
    from preprocess.pasture.archive import write_archive

    write_archive(tmp_path / "pasture", count=900, seed=1, workers=2)
    options = [
        "--zip",
        str(tmp_path / "pasture" / "train2017.zip"),
        "--theme",
        "large",
        "--shard-size",
        "40",
        "--workers",
        "2",
    ]
    assert command(SCRIPT, *options, "--out", tmp_path / "whole").returncode == 0
    process = start(SCRIPT, *options, "--out", tmp_path / "killed")
    wait_for(process, lambda: list((tmp_path / "killed").glob("train-0000[2-9].json")))
    # The parent alone: its workers must end with it.
    process.kill()
    process.wait()
    assert not (tmp_path / "killed" / "captions.json").exists(), "killed too late to test anything"
    deadline = time.time() + 60
    while _group_lives(process.pid) and time.time() < deadline:
        time.sleep(0.1)
    assert not _group_lives(process.pid)
    again = command(SCRIPT, *options, "--out", tmp_path / "killed")
    assert again.returncode == 0, again.stderr
    whole, killed = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("whole", "killed"))
    assert not any(name.startswith(PARTIAL) for name in killed)
    assert killed == whole


def _group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_last_lines_say_what_became_of_every_image(pasture, tmp_path):
    process = command(SCRIPT, "--zip", pasture / "train2017.zip", "--theme", "small", "--out", tmp_path / "out")
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0] == "Found 80 images."
    counts = read_manifest(tmp_path / "out", "")["counts"]
    kept = counts["train"] + counts["val"]
    assert lines[1] == f"Dropped {80 - kept} images by the theme small, such as:"
    assert all(line.startswith('  "') and "cow" not in line.lower().split() for line in lines[2:5])
    assert "--theme large would keep" in lines[5] and "--theme all would keep 80" in lines[5]
    assert lines[6].startswith("warning: ") and "too few to train on" in lines[6]
    assert lines[7].startswith(f"Kept {counts['train']} training and {counts['val']} validation images, rejected 0")


def test_the_share_of_validation_images_can_be_chosen(pasture, tmp_path):
    options = ("--zip", pasture / "train2017.zip", "--theme", "all")
    process = command(SCRIPT, *options, "--out", tmp_path / "half", "--validation-share", 0.5)
    assert process.returncode == 0, process.stderr
    manifest = read_manifest(tmp_path / "half", "")
    assert 28 < manifest["counts"]["val"] < 52 and manifest["settings"]["validation_share"] == 0.5
    assert sum(manifest["caption_counts"].values()) == 400
    process = command(SCRIPT, *options, "--out", tmp_path / "none", "--validation-share", 0)
    assert_user_error(process, "--validation-share must be a number from 0.01 to 0.9")
