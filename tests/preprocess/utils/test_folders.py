import contextlib
import json
import pathlib

import pytest

from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json
from preprocess.utils.folders import MANIFEST, SCHEMA_VERSION, open_folder, read_manifest, remove_made

MADE = (r"shard\d*",)


def test_a_folder_opens_again_only_with_the_same_settings(tmp_path):
    out = tmp_path / "out"
    with open_folder(out, {"size": 64}, MADE):
        (out / "shard").write_text("kept")
    with open_folder(out, {"size": 64}, MADE) as manifest:
        assert manifest["complete"] is False
    assert (out / "shard").exists()
    with (
        pytest.raises(UserError, match=r"other settings \(size: 64 there, 128 now\).*--overwrite"),
        open_folder(out, {"size": 128}, MADE),
    ):
        pass
    with open_folder(out, {"size": 128}, MADE, overwrite=True):
        assert not (out / "shard").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_of_settings_those_that_were_given_are_named(tmp_path):
    before, now = ({"theme": theme, "words": [theme], "photos": f"hash of {theme}"} for theme in ("small", "large"))
    with open_folder(tmp_path / "out", before, MADE):
        pass
    with (
        pytest.raises(UserError, match=r"settings \(theme: small there, large now\);"),
        open_folder(tmp_path / "out", now, MADE),
    ):
        pass
    with pytest.raises(UserError, match=r"\(photos\)"), open_folder(tmp_path / "out", before | {"photos": "2"}, MADE):
        pass


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_is_open_once_at_a_time(tmp_path, overwrite):
    out = tmp_path / "out"
    with open_folder(out, {"size": 128}, MADE):
        pass
    with contextlib.ExitStack() as held:
        held.enter_context(open_folder(out, {"size": 64 if overwrite else 128}, MADE, overwrite))
        with (
            pytest.raises(UserError, match="in use by another run"),
            open_folder(out, {"size": 64}, MADE, overwrite=True),
        ):
            pass
    with open_folder(out, {"size": 64}, MADE, overwrite=True):
        pass


def test_a_linked_folder_is_emptied_in_its_own_place(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "real").mkdir()
    with open_folder(tmp_path / "link", {"size": 64}, MADE):
        (tmp_path / "real" / "shard").write_text("")
    with open_folder(tmp_path / "link", {"size": 128}, MADE, overwrite=True):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
    assert [path.name for path in (tmp_path / "link").iterdir()] == [MANIFEST]


def test_a_folder_of_another_command_is_never_emptied(tmp_path):
    with open_folder(tmp_path / "out", {"zip": "a.zip"}, MADE):
        pass
    with (
        pytest.raises(UserError, match="made by another command"),
        open_folder(tmp_path / "out", {"seed": 1}, MADE, True),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="file is a file; name a folder"),
        open_folder(tmp_path / "file" / "out", {}, MADE),
    ):
        pass


def test_a_folder_of_somebody_elses_is_never_emptied(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(UserError, match="not made by this command"), open_folder(tmp_path, {}, MADE, overwrite):
            pass
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "has no manifest"),
        ([], "damaged"),
        ({"schema_version": "2", "complete": True, "settings": {}}, "damaged .schema_version"),
        ({"schema_version": SCHEMA_VERSION, "complete": True, "settings": {}, "shards": {"../x": 1}}, "damaged"),
        (
            {
                "schema_version": SCHEMA_VERSION,
                "complete": True,
                "settings": {},
                "shards": {"../train-1.tfrecord": {"count": 1, "bytes": 1}},
            },
            "names a shard .*which is none",
        ),
        ({"schema_version": 0, "complete": True, "settings": {}}, "schema version 0"),
        ({"schema_version": SCHEMA_VERSION, "complete": False, "settings": {}}, "not finished"),
    ],
)
def test_manifests_that_cannot_be_used_are_errors(tmp_path, manifest, message):
    if manifest is not None:
        write_json(tmp_path / MANIFEST, manifest)
    with pytest.raises(UserError, match=message):
        read_manifest(tmp_path, "the command")


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_somebody_put_beside_is_never_removed(tmp_path, overwrite):
    out = tmp_path / "out"
    with open_folder(out, {"size": 64}, MADE):
        (out / "shard").write_text("")
    (out / "notes.txt").write_text("mine")
    with open_folder(out, {"size": 64}, MADE):
        pass
    message = r"holds notes.txt, which this command did not make" if overwrite else "other settings"
    with pytest.raises(UserError, match=message), open_folder(out, {"size": 32}, MADE, overwrite):
        pass
    assert {path.name for path in out.iterdir()} == {MANIFEST, "shard", "notes.txt"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"settings": 5}'])
def test_a_damaged_manifest_is_named_and_made_anew_when_asked(tmp_path, content):
    with open_folder(tmp_path / "out", {"size": 64}, MADE):
        (tmp_path / "out" / "shard").write_text("")
    (tmp_path / "out" / MANIFEST).write_text(content)
    with (
        pytest.raises(UserError, match=r"manifest.json is damaged.*--overwrite"),
        open_folder(tmp_path / "out", {"size": 64}, MADE),
    ):
        pass
    with open_folder(tmp_path / "out", {"size": 64}, MADE, overwrite=True):
        assert [path.name for path in (tmp_path / "out").iterdir()] == [MANIFEST]
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["settings"] == {"size": 64}


@pytest.mark.parametrize("asked", [{"size": 32}, {"size": 64}])
def test_a_kill_while_a_folder_is_emptied_leaves_one_that_goes_on(tmp_path, monkeypatch, asked):
    out = tmp_path / "out"
    with open_folder(out, {"size": 64}, MADE) as manifest:
        for name in ("shard", "shard2"):
            (out / name).write_text("")
        write_json(out / MANIFEST, manifest | {"complete": True})
    unlink = pathlib.Path.unlink

    def killed(path, **options):
        if path.name == "shard2":
            raise KeyboardInterrupt
        unlink(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt), open_folder(out, {"size": 32}, MADE, overwrite=True):
            pass
    with pytest.raises(UserError, match="is not finished"):
        read_manifest(out, "")
    with open_folder(out, asked, MADE, overwrite=True) as manifest:
        assert not manifest["complete"] and manifest["settings"] == asked


def test_what_systems_put_into_folders_is_in_nobodys_way(tmp_path):
    (tmp_path / ".DS_Store").write_text("")
    for size in (64, 32):
        with open_folder(tmp_path, {"size": size}, MADE, overwrite=True):
            (tmp_path / "shard").write_text("")
    assert (tmp_path / ".DS_Store").exists()


def test_somebodys_own_list_of_rejections_is_not_ours(tmp_path):
    (tmp_path / "rejected.csv").write_text("paper,reviewer\n")
    with pytest.raises(UserError, match="not made by this command"), open_folder(tmp_path, {}, MADE):
        pass


def test_one_file_can_stay(tmp_path):
    for name in (MANIFEST, "shard", "shard2"):
        (tmp_path / name).write_text("")
    remove_made(tmp_path, MADE, keep="shard2")
    assert [path.name for path in tmp_path.iterdir()] == ["shard2"]
