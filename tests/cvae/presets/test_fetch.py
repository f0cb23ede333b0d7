import hashlib
import json
import zipfile

import pytest

import cvae
from cvae.presets import fetch
from cvae.presets.fetch import fetch_preset, name_of, split_hub
from cvae.runs import Run
from preprocess.utils.errors import UserError
from tests.cvae.served import served


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def packed(run, path, prefix="", **others):
    """A zip of a run's files, and its checksum."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("run.json", "best.keras", "log.csv"):
            archive.write(run / name, prefix + name)
        for name, content in others.items():
            archive.writestr(prefix + name.replace("_", "."), content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("prefix", ["", "mine/"])
def test_a_zip_is_fetched_once_and_only_a_runs_files_of_it(run, tmp_path, monkeypatch, prefix):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "www").mkdir()
    checksum = packed(run, tmp_path / "www" / "mine.zip", prefix, setup_py="raise SystemExit", conftest_py="1 / 0")
    with served(tmp_path / "www") as (address, requests):
        found = cvae.load_preset(f"{address}/mine.zip#sha256={checksum}")
        assert sorted(path.name for path in found.folder.iterdir()) == ["best.keras", "log.csv", "run.json"]
        assert found.variant_name == Run(run).variant_name and str(found.output) == "runs/presets/mine"
        again = cvae.load_preset(f"{address}/mine.zip#sha256={checksum}")
        assert again.folder == found.folder and len(requests) == 1
    found.find_model()


def test_a_zip_with_another_checksum_is_refused_and_not_kept(run, tmp_path):
    (tmp_path / "www").mkdir()
    checksum = packed(run, tmp_path / "www" / "mine.zip")
    with served(tmp_path / "www") as (address, _), pytest.raises(UserError, match="it has another checksum") as refused:
        fetch_preset(f"{address}/mine.zip#sha256={'0' * 64}")
    # Nobody is told to take it all the same.
    assert checksum not in str(refused.value)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "address, said",
    [
        ("https://localhost/x.zip", "no checksum"),
        ("https://localhost/x.zip#sha256=abc", "a checksum that is none"),
        ("ftp://localhost/x.zip", "no address of a preset"),
        ("hf://name", "no address on the Hub"),
        ("hf://../../etc/passwd", "no address on the Hub"),
        (f"http://127.0.0.1:9/x.zip#sha256={'0' * 64}", "cannot be fetched"),
        (f"http://local host/x.zip#sha256={'0' * 64}", "cannot be fetched"),
        (f"http://127.0.0.1:port/x.zip#sha256={'0' * 64}", "cannot be fetched"),
    ],
)
def test_what_is_no_preset_is_named(address, said):
    with pytest.raises(UserError, match=said):
        fetch_preset(address)


def test_a_zip_without_a_run_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("../../run.json", json.dumps({}))
    checksum = hashlib.sha256((tmp_path / "x.zip").read_bytes()).hexdigest()
    with served(tmp_path) as (address, _), pytest.raises(UserError, match="no run.json"):
        fetch_preset(f"{address}/x.zip#sha256={checksum}")


def test_what_is_too_large_is_refused(run, tmp_path, monkeypatch):
    (tmp_path / "www").mkdir()
    checksum = packed(run, tmp_path / "www" / "mine.zip")
    monkeypatch.setattr(fetch, "MOST", 1000)
    monkeypatch.setattr(fetch, "CHUNK", 2**26)
    with served(tmp_path / "www") as (address, _), pytest.raises(UserError, match="holds a .* of more than"):
        fetch_preset(f"{address}/mine.zip#sha256={checksum}")
    monkeypatch.setattr(fetch, "CHUNK", 500)
    with served(tmp_path / "www") as (address, _), pytest.raises(UserError, match="which no preset has"):
        fetch_preset(f"{address}/mine.zip#sha256={checksum}")


def test_addresses_have_names():
    assert name_of("hf://user/name@main") == "user--name"
    assert name_of("https://host/a/mine.zip?x=1#sha256=0") == "mine"
    assert name_of("https://host/..#sha256=0") == name_of("hf://@main") == "preset"
    assert split_hub("hf://user/name@v1.0") == ("user/name", "v1.0") and split_hub("hf://u/n") == ("u/n", None)


def test_a_preset_that_is_not_there_names_those_that_are():
    for name in (None, "", " ", 3):
        with pytest.raises(UserError, match="a preset has a name"):
            cvae.load_preset(name)
    with pytest.raises(UserError, match="no preset photograph-64; did you mean photographs-64, or another of"):
        cvae.load_preset("photograph-64")
    with pytest.raises(UserError, match="no preset mountains; choose one of .*photographs-128"):
        cvae.load_preset("mountains")
