import json
import shutil

import pytest
from PIL import Image

from cvae.comparison import ROWS, _plan, compare, format_table
from cvae.runs import LAST
from cvae.training import Settings
from preprocess.errors import UserError
from preprocess.files import write_json

SMALL = Settings(epochs=1, batch_size=16, width=1 / 16, precision="float32")


def test_the_courseworks_figures():
    assert [(row.reported, row.reported_epoch) for row in ROWS] == [
        (2376, 25), (2526, 8), (9227, 25), (9701, 9), (9386, 10), (9085, 10), (9450, 10),
    ]  # fmt: skip


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
    results = compare(embedded, tmp_path, SMALL, rows=rows)
    assert [row["name"] for row in results] == [row.name for row in rows]
    table = (tmp_path / "comparison.md").read_text()
    assert format_table(results) in table and "2526 (epoch 8)" in table and "of the theme large" in table
    assert json.loads((tmp_path / "comparison.json").read_text())["rows"] == results
    assert Image.open(tmp_path / "comparison.png").width > 400

    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob(f"*/{LAST}")}
    shutil.rmtree(tmp_path / "64-text")
    assert compare(embedded, tmp_path, SMALL, rows=rows) == results
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
    assert not (tmp_path / "out").exists()
