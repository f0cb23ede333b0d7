"""The library from Python, and the commands that come with it."""

import argparse
import pathlib
import subprocess
import sys

import pytest

import cvae
from cvae.arguments import check_not_empty
from preprocess.utils.errors import UserError
from tests.helpers import ROOT, SMALL, command


def test_a_run_generates_from_python(run):
    opened = cvae.load_run(run)
    pictures = opened.generate(["white sheep in the snow"], count=2, seed=0)
    assert pictures[0][1].size == (64, 64)
    assert repr(opened).endswith(": 64-image>")
    assert cvae.generate(run, ["snow"], count=1).arrays.shape == (1, 1, 64, 64, 3)


def test_training_from_python_gives_a_run(embedded, tmp_path):
    run = cvae.train("64-text", data=embedded, run=tmp_path / "run", **SMALL | {"epochs": 1})
    assert len(run.log()) == 1 and run.variant_name == "64-text"
    with pytest.raises(UserError, match="there is no setting epoch"):
        cvae.train("64-text", data=embedded, run=tmp_path / "other", epoch=1)


def test_one_generate_reads_run_json_once(run, monkeypatch):
    read, opened = pathlib.Path.read_bytes, []

    def counting(path):
        opened.append(path.name)
        return read(path)

    monkeypatch.setattr(pathlib.Path, "read_bytes", counting)
    cvae.load_run(run).generate(["a cow"], count=1)
    assert opened.count("run.json") == 1


def test_options_that_a_run_has_no_use_for_are_errors_from_python_too(run):
    with pytest.raises(UserError, match="--guidance is for the faces and the flow, not for a 64-image"):
        cvae.load_run(run).generate(["a cow"], guidance=3.0)


def test_importing_it_loads_no_framework():
    code = "import sys, cvae; print(*{name.split('.')[0] for name in sys.modules})"
    assert not {"tensorflow", "keras", "torch", "numpy"} & set(command("-c", code).stdout.split())


def test_its_help_loads_no_framework_and_no_numpy():
    code = "import sys, cvae.cli; cvae.cli.build_parser(); print(*{name.split('.')[0] for name in sys.modules})"
    assert not {"tensorflow", "keras", "torch", "numpy", "pydantic"} & set(command("-c", code).stdout.split())


@pytest.mark.slow
def test_pip_installs_the_commands(tmp_path):
    """From a copy, since a build leaves folders behind."""
    source = tmp_path / "source"
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        if (ROOT / name).is_file() and not name.startswith(("docs/", "tests/", "notebooks/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    target = tmp_path / "target"
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--target", str(target))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True, capture_output=True)
    for name in ("cvae", "cvae-preprocess", "cvae-embed"):
        done = subprocess.run(
            [sys.executable, str(target / "bin" / name), "--help"], cwd=tmp_path, env={"PYTHONPATH": str(target)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "usage:" in done.stdout
    assert (target / "cvae" / "pasture" / "judge.weights.h5").is_file()
    assert (target / "preprocess" / "pasture" / "clip.pt").is_file()
    assert (target / "cvae" / "evaluation" / "study.html").is_file()


@pytest.mark.parametrize("option", ["run", "data", "out", "clip"])
def test_an_empty_name_is_an_error_and_not_a_default(option):
    with pytest.raises(UserError, match=f"--{option} is empty; name something"):
        check_not_empty(argparse.Namespace(**{option: ""}))


def test_a_single_prompt_is_one_prompt(run):
    pictures = cvae.generate(run, "a white sheep", count=1)
    assert pictures.labels == ["a white sheep"] and len(pictures) == 1
    several = cvae.generate(run, (text for text in ("a white sheep", "a cow")), count=1)
    assert several.labels == ["a white sheep", "a cow"]


def test_a_training_needs_a_variant_or_a_run():
    with pytest.raises(UserError, match="name a variant to train"):
        cvae.train()
    with pytest.raises(UserError, match="the name of the run folder is empty"):
        cvae.train("64-image", run="")
