import json
import shutil

import pytest
from PIL import Image

from cvae.comparison import ROWS, compare, format_table
from cvae.runs import LAST
from cvae.training import Settings
from preprocess.errors import UserError
from preprocess.files import write_json

SMALL = Settings(epochs=1, batch_size=16, width=1 / 16, precision="float32")


def test_the_courseworks_figures():
    assert [(row.reported, row.reported_epoch) for row in ROWS] == [
        (2376, 25), (2526, 8), (9227, 25), (9701, 9), (9386, 10), (9085, 10), (9450, 10),
    ]  # fmt: skip


@pytest.mark.slow
def test_rows_are_trained_once_and_shown_side_by_side(embedded, tmp_path):
    rows = (ROWS[1], ROWS[2], ROWS[6])
    results = compare(embedded, tmp_path, SMALL, rows=rows)
    assert [row["name"] for row in results] == [row.name for row in rows]
    table = (tmp_path / "comparison.md").read_text()
    assert format_table(results) in table and "9227 (epoch 25)" in table and "of the theme large" in table
    assert json.loads((tmp_path / "comparison.json").read_text())["rows"] == results
    assert Image.open(tmp_path / "comparison.png").width > 500
    # The data are of the large theme: the last row is the third.
    assert results[2]["loss"] == results[1]["loss"] and not (tmp_path / "128-image-large").exists()

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
