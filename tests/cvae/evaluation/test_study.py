import base64
import html.parser
import io
import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from cvae.evaluation import study
from preprocess.utils.errors import UserError
from tests.helpers import assert_user_error, command


def export(path, answers, a="runs/a", study="s1", person="p1"):
    path.write_text(json.dumps({"a": a, "b": "runs/b", "study": study, "person": person, "answers": answers}))
    return path


def answers(question, chosen, first=0):
    return [
        {"trial": number, "question": question, "prompt": "a cow", "chosen": choice}
        for number, choice in enumerate(chosen, first)
    ]


class FakeRun:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def check_draws_prompts(self):
        pass

    def find_model(self):
        return self.folder


@pytest.fixture
def page(monkeypatch, tmp_path):
    """Makes a page of a run that draws black and one that draws white. Returns (number of questions, text, study)."""

    def draw(run, prompts, count, seed, clip):
        return np.full((len(prompts), count, 64, 64, 3), {"a": 0.0, "b": 1.0}[run.folder.name])

    def make(**options):
        monkeypatch.setattr(study, "draw_prompts", draw)
        monkeypatch.setattr(study, "load_run", FakeRun)
        count, path = study.make_study(tmp_path / "a", tmp_path / "b", tmp_path / "study.html", **options)
        text = path.read_text()
        return count, text, json.loads(re.search(r"const study = (.*);", text).group(1))

    return make


def decoded(address):
    return Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))


def test_a_page_needs_nothing_else_and_asks_all_questions(page):
    count, text, found = page(pairs=2, prompts=("a </script> cow", "snow"))
    assert count == len(found["trials"]) == 2 * (2 + 2 + 1)
    assert text.count("</script>") == 1 and "http" not in text
    assert {trial["question"] for trial in found["trials"]} == set(study.QUESTIONS)
    for trial in found["trials"]:
        side = 3 * (128 + 6) if trial["question"] == "diversity" else 128
        assert [decoded(image).size for image in trial["images"]] == [(side, side)] * 2


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_html_in_a_prompt_is_text_on_the_page(page):
    prompt = "<!--<script> <img src=x onerror=alert(1)> </script><script>alert(2)</script>"
    _, text, _ = page(pairs=1, prompts=(prompt,))
    tags = Tags()
    tags.feed(text)
    assert [tag for tag, _ in tags.found].count("script") == 1
    assert not any("onerror" in attributes for _, attributes in tags.found)
    # Nor does the page's own script make elements of text.
    assert not any(word in text for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval("))


def test_each_side_shows_the_run_that_it_stands_for_and_as_often_as_the_other(page):
    _, _, found = page(pairs=3)
    for trial in found["trials"]:
        middle = [np.asarray(decoded(image))[64, 64].max() for image in trial["images"]]
        assert middle == ([0, 255] if trial["left"] == "a" else [255, 0])
    for question in study.QUESTIONS:
        left = [trial["left"] for trial in found["trials"] if trial["question"] == question]
        assert abs(left.count("a") - left.count("b")) <= 1
        assert left[:4] != ["a", "b", "a", "b"] or left[4:8] != ["a", "b", "a", "b"], "drawn by lot"


def test_what_makes_no_page(page, run, digit_run, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="the same"):
        study.make_study(run, run, tmp_path / "page.html")
    with pytest.raises(UserError, match="not a run folder"):
        study.make_study(run, tmp_path, tmp_path / "page.html")
    with pytest.raises(UserError, match="is a folder"):
        study.make_study(run, tmp_path / "b", tmp_path)
    with pytest.raises(UserError, match=r"page.png is no page's name; end it in .html"):
        study.make_study(run, tmp_path, tmp_path / "page.png")
    # Before anything is drawn.
    monkeypatch.setattr(study, "draw_prompts", None)
    with pytest.raises(UserError, match="is a mnist-clip-vae, which draws nothing from prompts"):
        study.make_study(run, digit_run, tmp_path / "page.html")
    with pytest.raises(UserError, match="--pairs"):
        page(pairs=0)


@pytest.mark.skipif(not shutil.which("node"), reason="needs node to run the page's script")
def test_the_page_exports_what_was_chosen(page, tmp_path):
    _, text, found = page(pairs=1, prompts=("a cow", "snow"))
    script = text[text.index("<script>") + 8 : text.index("</script>")]
    program = _BROWSER + script + _SESSION
    (tmp_path / "page.js").write_text(program)
    done = subprocess.run(["node", tmp_path / "page.js"], capture_output=True, text=True, check=True)
    (tmp_path / "answers.json").write_text(done.stdout)
    exported = json.loads(done.stdout)["answers"]
    assert sorted(answer["trial"] for answer in exported) == list(range(len(found["trials"])))
    *_, people, table = study.win_rates([tmp_path / "answers.json"])
    # Always the left side: half of the choices are for a.
    assert people == 1 and {row["wins"] for row in table.values()} == {0.5}


# As much of a browser as the page touches, and a person who always chooses the left picture.
_BROWSER = """
const elements = {};
const document = {
  getElementById: id => elements[id] ??= { style: {} },
  querySelectorAll: () => [],
  createElement: () => ({ click() {} }),
};
const localStorage = { getItem: () => null, setItem() {} };
let saved;
class Blob { constructor(parts) { saved = parts[0]; } }
URL.createObjectURL = () => "";
"""
_SESSION = """
for (const trial of study.trials) document.onkeydown({ key: "1" });
document.onkeydown({ key: "1" });
elements.export.onclick();
console.log(saved);
"""


def test_answers_become_win_rates_with_intervals(tmp_path):
    first = answers("photorealism", "aaab") + answers("diversity", ["tie"], first=4)
    first = export(tmp_path / "1.json", first)
    second = export(tmp_path / "2.json", answers("photorealism", "aaaabb"), person="p2")
    a, b, people, table = study.win_rates([first, second])
    assert (a, b, people) == ("runs/a", "runs/b", 2) and set(table) == {"photorealism", "diversity"}
    assert table["photorealism"]["answers"] == 10 and table["photorealism"]["wins"] == pytest.approx(0.7)
    assert table["diversity"]["wins"] == 0.5
    process = command("-m", "cvae", "win-rates", first, second)
    assert "70%" in process.stdout and "runs/a chosen over runs/b" in process.stdout
    assert "2 respondents" in process.stdout


def test_what_a_person_saved_on_the_way_is_not_counted_twice(tmp_path):
    half = export(tmp_path / "1.json", answers("diversity", "ab"))
    whole = export(tmp_path / "2.json", answers("diversity", "abbb"))
    for order in ([half, whole, half], [whole, half]):
        *_, people, table = study.win_rates(order)
        assert (people, table["diversity"]["answers"], table["diversity"]["wins"]) == (1, 4, 0.25)


def test_wilsons_interval_is_that_of_the_literature():
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263.
    assert study.wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    low, high = study.wilson_interval(0, 10)
    assert low == pytest.approx(0, abs=1e-12) and 0.2 < high < 0.35


def test_files_that_are_no_exports_give_one_sentence(tmp_path):
    good = export(tmp_path / "good.json", answers("diversity", "ab"))
    (tmp_path / "text.json").write_text("[1]")
    assert_user_error(command("-m", "cvae", "win-rates", tmp_path / "text.json"), "text.json", "is damaged")
    for bad, message in (
        (export(tmp_path / "other.json", answers("diversity", "a"), a="runs/c"), "another page"),
        (export(tmp_path / "later.json", answers("diversity", "a"), study="s2"), "another page"),
        (export(tmp_path / "word.json", answers("beauty", "a")), "is damaged .answers.0.question"),
        (export(tmp_path / "side.json", answers("diversity", "c")), "is damaged .answers.0.chosen"),
        (tmp_path / "gone.json", "not found"),
    ):
        with pytest.raises(UserError, match=message):
            study.win_rates([good, bad])
    with pytest.raises(UserError, match="no answers"):
        study.win_rates([export(tmp_path / "empty.json", [])])
