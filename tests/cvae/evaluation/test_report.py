import pytest

from cvae.evaluation.report import RESULTS, check_comparison
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json


def test_a_folder_without_results_and_one_with_a_comparisons_may_be_written(tmp_path):
    check_comparison(tmp_path)
    write_json(tmp_path / "comparison.json", {"rows": []})
    check_comparison(tmp_path)
    # As a kill leaves it, and a whole one.
    for name in RESULTS[1:]:
        (tmp_path / name).write_text("")
    check_comparison(tmp_path)
    # It looks, and removes nothing.
    assert {path.name for path in tmp_path.iterdir()} == {"comparison.json", *RESULTS[1:]}


@pytest.mark.parametrize("name", RESULTS)
def test_somebodys_results_are_not_written_over(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name}, which no comparison wrote"):
        check_comparison(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_a_data_set_is_no_place_for_a_comparison(tmp_path):
    write_json(tmp_path / "manifest.json", {})
    with pytest.raises(UserError, match="holds a data set"):
        check_comparison(tmp_path)
