import io
import sys

import pytest

from preprocess.utils import progress
from preprocess.utils.errors import UserError
from preprocess.utils.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_it_is_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(progress_bar(range(3), "drawing")) == [0, 1, 2]
    assert "\r" in sys.stderr.getvalue() and "drawing: 100%" in sys.stderr.getvalue()


def test_elsewhere_it_is_one_line_at_the_end(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(progress_bar(range(1000), "drawing", unit="picture")) == list(range(1000))
    [line] = sys.stderr.getvalue().splitlines()
    assert line.startswith("drawing: 100%") and "1000/1000" in line and "\r" not in line


def test_and_one_every_half_minute(monkeypatch):
    assert progress.SECONDS == 30
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    list(progress_bar(range(5), "drawing"))
    lines = sys.stderr.getvalue().splitlines()
    assert 3 <= len(lines) <= 7 and all(line.strip() for line in lines)


def test_lines_come_as_often_after_a_jump_to_where_a_resumed_training_stands(monkeypatch):
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar(total=1005, desc="training") as bar:
        bar.update(1000)
        for _ in range(5):
            bar.update(1)
    assert 5 <= len(sys.stderr.getvalue().splitlines()) <= 8


def test_without_standard_error_it_is_quiet(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar(range(3))) == [0, 1, 2]


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_where_a_sentence_says_what_is_wrong_it_leaves_nothing_behind(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    with pytest.raises(UserError), progress_bar(total=4, desc="loading"):
        raise UserError("no such encoder.")
    assert not sys.stderr.getvalue().split("\r")[-1].strip()
