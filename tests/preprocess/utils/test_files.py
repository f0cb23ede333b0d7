import contextlib

import pytest

from preprocess.utils.errors import UserError
from preprocess.utils.files import MANIFEST, SCHEMA_VERSION, atomic_path, open_folder, read_manifest, write_json


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with atomic_path(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
        assert not (tmp_path / "a.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_a_folder_opens_again_only_with_the_same_settings(tmp_path):
    out = tmp_path / "out"
    with open_folder(out, {"size": 64}):
        (out / "shard").write_text("kept")
    with open_folder(out, {"size": 64}) as manifest:
        assert manifest["complete"] is False
    assert (out / "shard").exists()
    with pytest.raises(UserError, match=r"other settings \(size\).*--overwrite"), open_folder(out, {"size": 128}):
        pass
    with open_folder(out, {"size": 128}, overwrite=True):
        assert not (out / "shard").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_is_open_once_at_a_time(tmp_path, overwrite):
    out = tmp_path / "out"
    with open_folder(out, {"size": 128}):
        pass
    with contextlib.ExitStack() as held:
        held.enter_context(open_folder(out, {"size": 64 if overwrite else 128}, overwrite))
        with pytest.raises(UserError, match="in use by another run"), open_folder(out, {"size": 64}, overwrite=True):
            pass
    with open_folder(out, {"size": 64}, overwrite=True):
        pass


def test_a_linked_folder_is_emptied_in_its_own_place(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real").mkdir()
    with open_folder(tmp_path / "link", {"size": 64}):
        (tmp_path / "real" / "shard").write_text("")
    with open_folder(tmp_path / "link", {"size": 128}, overwrite=True):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
    assert [path.name for path in (tmp_path / "link").iterdir()] == [MANIFEST]


def test_a_folder_of_another_command_is_never_emptied(tmp_path):
    with open_folder(tmp_path / "out", {"zip": "a.zip"}):
        pass
    with pytest.raises(UserError, match="made by another command"), open_folder(tmp_path / "out", {"seed": 1}, True):
        pass


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file; name a folder"), open_folder(tmp_path / "file" / "out", {}):
        pass


def test_a_folder_of_somebody_elses_is_never_emptied(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="not made by this command"), open_folder(tmp_path, {}, overwrite):
            pass
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "has no manifest"),
        ([], "not a manifest"),
        ({"schema_version": 0, "complete": True}, "schema version 0"),
        ({"schema_version": SCHEMA_VERSION, "complete": False}, "not finished"),
    ],
)
def test_manifests_that_cannot_be_used_are_errors(tmp_path, manifest, message):
    if manifest is not None:
        write_json(tmp_path / MANIFEST, manifest)
    with pytest.raises(UserError, match=message):
        read_manifest(tmp_path, "the command")
