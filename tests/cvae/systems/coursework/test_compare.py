import json
import shutil

import pytest
from PIL import Image

from cvae.keras_files import LAST
from cvae.log import read_log
from cvae.runs import Run
from cvae.systems.coursework.compare import ROWS, _plan, choose_rows, compare, format_table
from preprocess.shards.info import read_info
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json
from tests.helpers import start, wait_for

SMALL = {"epochs": 1, "batch_size": 16, "width": 1 / 16, "precision": "float32"}


def assert_same_rows(rows, others):
    for row, other in zip(rows, others, strict=True):
        assert row.keys() == other.keys()
        for name, value in row.items():
            assert value == (pytest.approx(other[name], rel=1e-4) if isinstance(value, float) else other[name]), name


def test_rows_are_chosen_by_number():
    assert choose_rows("") == ROWS and choose_rows("3, 1") == (ROWS[2], ROWS[0])
    assert choose_rows("2,2") == (ROWS[1],)
    for text in ("0", "8", "two", "1-3"):
        with pytest.raises(UserError, match="from 1 to 7"):
            choose_rows(text)


def test_the_last_row_needs_data_of_the_large_theme():
    plain, last = ROWS[2], ROWS[6]
    assert _plan(plain, "data", None, "small") == ("128-image", "data", "")
    assert _plan(last, "data", None, "small")[1] is None, "left out"
    assert _plan(last, "data", "large", "large")[:2] == ("128-image-large", "large")
    variant, folder, remark = _plan(last, "data", None, "large")
    assert (variant, folder) == ("128-image", "data") and "third row" in remark


@pytest.mark.slow
def test_rows_are_trained_once_and_shown_side_by_side(embedded, tmp_path):
    rows = ROWS[:2]
    results = compare(embedded, tmp_path, SMALL, rows=rows).figures
    assert [row["name"] for row in results] == [row.name for row in rows]
    table = (tmp_path / "comparison.md").read_text()
    assert format_table(results) in table and "2526 (epoch 8)" in table and "of the theme large" in table
    assert json.loads((tmp_path / "comparison.json").read_text())["rows"] == results
    assert Image.open(tmp_path / "comparison.png").width > 400

    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob(f"*/{LAST}")}
    shutil.rmtree(tmp_path / "64-text")
    assert_same_rows(compare(embedded, tmp_path, SMALL, rows=rows).figures, results)
    again = {path: path.stat().st_mtime_ns for path in times}
    assert {path.parent.name for path in times if times[path] != again[path]} == {"64-text"}


def test_folders_of_two_encoders_are_an_error(embedded, tmp_path):
    shutil.copytree(embedded, tmp_path / "other")
    manifest = json.loads((embedded / "manifest.json").read_text())
    manifest["settings"]["clip"]["weights_sha256"] = "another"
    write_json(tmp_path / "other" / "manifest.json", manifest)
    with pytest.raises(UserError, match="different encoders"):
        compare(embedded, tmp_path / "out", SMALL, large_data=tmp_path / "other")
    manifest["settings"]["shards"]["theme"] = "small"
    write_json(tmp_path / "other" / "manifest.json", manifest)
    with pytest.raises(UserError, match="of the theme small"):
        compare(embedded, tmp_path / "out", SMALL, large_data=tmp_path / "other")
    manifest["settings"]["clip"] = read_info(embedded).encoder.clip
    write_json(tmp_path / "other" / "manifest.json", manifest)
    with pytest.raises(UserError, match="needs data of the large theme"):
        compare(tmp_path / "other", tmp_path / "out", SMALL, rows=ROWS[6:])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_row_interrupted_within_an_epoch_goes_on(embedded, tmp_path):
    settings = SMALL | {"epochs": 3}
    expected = compare(embedded, tmp_path / "undisturbed", settings, rows=ROWS[:1]).figures
    options = ("--epochs", 3, "--batch-size", 16, "--width", 1 / 16, "--precision", "float32")
    process = start("-m", "cvae", "compare", "--data", embedded, "--out", tmp_path / "out", *options)
    wait_for(process, lambda: (tmp_path / "out" / "64-image" / LAST).is_file())
    process.kill()
    process.wait()
    assert len(read_log(tmp_path / "out" / "64-image")) < 3
    assert_same_rows(compare(embedded, tmp_path / "out", settings, rows=ROWS[:1]).figures, expected)


def test_rows_of_different_lengths_do_not_mix(embedded, run, tmp_path):
    shutil.copytree(run, tmp_path / "64-image")
    with pytest.raises(UserError, match="has 2 epochs already"):
        compare(embedded, tmp_path, {"epochs": 1}, rows=ROWS[:1])
    assert Run(tmp_path / "64-image").config["settings"]["epochs"] == 2
