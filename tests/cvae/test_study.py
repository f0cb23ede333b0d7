import base64
import io
import json
import re
import shutil

import pytest
from conftest import assert_user_error, command
from PIL import Image

from cvae.study import QUESTIONS, make_study, wilson_interval, win_rates
from preprocess.errors import UserError


def export(path, answers, a="runs/a", b="runs/b"):
    path.write_text(json.dumps({"a": a, "b": b, "answers": answers}))
    return path


def answers(question, chosen):
    return [{"question": question, "prompt": "a cow", "chosen": choice} for choice in chosen]


def test_a_page_holds_pairs_in_random_order(run, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    page = tmp_path / "study.html"
    count = make_study(run, other, page, pairs=2, prompts=("a </script> cow", "snow"))
    text = page.read_text()
    study = json.loads(re.search(r"const study = (.*);", text).group(1))
    assert count == len(study["trials"]) == 2 * (2 + 2 + 1)
    assert text.count("</script>") == 1 and "http" not in text.replace("http-equiv", "")
    assert {trial["question"] for trial in study["trials"]} == set(QUESTIONS)
    assert {trial["left"] for trial in study["trials"]} == {"a", "b"}
    for trial in study["trials"]:
        sides = [Image.open(io.BytesIO(base64.b64decode(image.split(",")[1]))) for image in trial["images"]]
        expected = 3 * 64 if trial["question"] == "diversity" else 64
        assert [side.size for side in sides] == [(expected, expected)] * 2
    with pytest.raises(UserError, match="the same"):
        make_study(run, run, page)


def test_answers_become_win_rates_with_intervals(tmp_path):
    first = export(tmp_path / "1.json", answers("photorealism", "aaab") + answers("diversity", ["tie"]))
    second = export(tmp_path / "2.json", answers("photorealism", "aaaabb"))
    a, b, table = win_rates([first, second])
    assert (a, b) == ("runs/a", "runs/b") and set(table) == {"photorealism", "diversity"}
    assert table["photorealism"]["answers"] == 10 and table["photorealism"]["wins"] == pytest.approx(0.7)
    assert table["diversity"]["wins"] == 0.5
    process = command("-m", "cvae", "win-rates", first, second)
    assert "70%" in process.stdout and "runs/a chosen over runs/b" in process.stdout


def test_wilsons_interval_is_that_of_the_literature():
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    low, high = wilson_interval(0, 10)
    assert low == pytest.approx(0, abs=1e-12) and 0.2 < high < 0.35


def test_files_that_are_no_exports_give_one_sentence(tmp_path):
    good = export(tmp_path / "good.json", answers("diversity", "ab"))
    (tmp_path / "text.json").write_text("[1]")
    assert_user_error(command("-m", "cvae", "win-rates", tmp_path / "text.json"), "text.json", "not an export")
    for bad, message in (
        (export(tmp_path / "other.json", answers("diversity", "a"), a="runs/c"), "runs/c"),
        (export(tmp_path / "word.json", answers("beauty", "a")), "not an export"),
        (export(tmp_path / "side.json", answers("diversity", "c")), "not an export"),
        (tmp_path / "gone.json", "not an export"),
    ):
        with pytest.raises(UserError, match=message):
            win_rates([good, bad])
    with pytest.raises(UserError, match="no answers"):
        win_rates([export(tmp_path / "empty.json", [])])
