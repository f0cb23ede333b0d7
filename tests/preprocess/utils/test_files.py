import concurrent.futures

import pytest

from preprocess.utils.files import PARTIAL, atomic_path, numbered_file, save_numbered, write_text


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_path(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_halves_of_characters_are_written_as_they_are_said(tmp_path):
    write_text(tmp_path / "a.txt", "cow \ud800")
    assert (tmp_path / "a.txt").read_text() == "cow \\ud800"


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr("os.fsync", lambda descriptor: done.append("sync"))
    monkeypatch.setattr("os.replace", lambda source, target: done.append("replace"))
    with atomic_path(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    assert done == ["sync", "replace", "sync"]


def test_a_new_name_is_free(tmp_path):
    (tmp_path / "a.png").write_text("")
    assert numbered_file(tmp_path / "a.png") == tmp_path / "a-2.png"


def test_several_that_save_at_once_get_a_name_each(tmp_path):
    def save(number):
        return save_numbered(tmp_path / "p.txt", lambda partial: partial.write_text(str(number)))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(save, range(20)))
    assert len(set(paths)) == 20 == len(list(tmp_path.iterdir()))
    assert sorted(int(path.read_text()) for path in paths) == list(range(20))


def test_a_link_that_leads_nowhere_and_another_work_s_beginning_stay(tmp_path):
    (tmp_path / "p.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / f"{PARTIAL}p.txt").write_text("mine")
    assert save_numbered(tmp_path / "p.txt", lambda partial: partial.write_text("x")).name == "p-2.txt"
    assert (tmp_path / "p.txt").is_symlink() and (tmp_path / f"{PARTIAL}p.txt").read_text() == "mine"
