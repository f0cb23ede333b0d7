"""`make publish` says everywhere where the project lives."""

import json
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from tests.helpers import ROOT

NEW = "https://github.com/someone/some-thing"
OLD = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
NAMED = ("pyproject.toml", "README.md", "CITATION.cff", "space/README.md", "space/requirements.txt")


@pytest.fixture
def checkout(tmp_path):
    """The files that name the project's address, in a repository of their own."""
    for name in (*NAMED, ".ci/publish.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks").mkdir()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(path, tmp_path / "notebooks")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    return tmp_path


def publish(folder, *arguments):
    return subprocess.run(
        [sys.executable, folder / ".ci" / "publish.py", *arguments], capture_output=True, text=True, check=False
    )


def test_one_command_changes_every_place(checkout):
    assert publish(checkout, f"{NEW}.git").returncode == 0
    for path in [checkout / name for name in NAMED] + list((checkout / "notebooks").glob("*.ipynb")):
        text = path.read_text()
        assert "someone/some-thing" in text and OLD not in text, path
        if path.suffix == ".ipynb":
            cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
            assert f'REPOSITORY = "{NEW}"' in cells[1]
            assert f"colab.research.google.com/github/someone/some-thing/blob/main/notebooks/{path.name}" in cells[0]
    assert publish(checkout, OLD).returncode == 0
    assert (checkout / "README.md").read_text() == (ROOT / "README.md").read_text()


def test_another_file_that_names_it_is_an_error(checkout):
    (checkout / "notes.md").write_text(f"see {OLD}")
    subprocess.run(["git", "add", "."], cwd=checkout, check=True)
    process = publish(checkout, NEW)
    assert process.returncode == 1 and "notes.md names" in process.stderr
    assert "someone" not in (checkout / "README.md").read_text()


@pytest.mark.parametrize("wrong", ["", "someone/something", "https://example.org/a/b"])
def test_what_is_no_address_is_an_error(checkout, wrong):
    assert "give REPOSITORY=https://github.com/" in publish(checkout, *([wrong] if wrong else [])).stderr


def test_no_page_has_a_gap_left_to_fill():
    """Such as @FIGURES@, written before they were measured."""
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"]:
        assert not re.search(r"@[A-Z_]+@", page.read_text(encoding="utf-8")), page
