"""What `make` installs: enough for what comes along, and no more."""

import importlib.util
import shutil
import subprocess
import sys

import pytest

from tests.helpers import ROOT


@pytest.fixture
def packages():
    spec = importlib.util.spec_from_file_location("packages", ROOT / ".ci" / "packages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(lines):
    return {line.split(">")[0].split("<")[0] for line in lines}


def test_pytorch_comes_with_clip_and_with_the_tests_alone(packages):
    assert not names(packages.packages()) & {"torch", "torchvision", "clip-anytorch", "jax", "pytest", "gradio", "ray"}
    assert {"torch", "torchvision", "clip-anytorch"} <= names(packages.packages("clip"))
    assert {"torch", "jax", "pytest", "ruff", "gradio", "ray", "pyarrow"} <= names(packages.packages("tests"))
    assert "gradio" in names(packages.packages("app")) and "torch" not in names(packages.packages("app"))


@pytest.mark.parametrize("there", [True, False])
def test_cuda_comes_where_there_is_a_gpu_for_it(packages, monkeypatch, there):
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/nvidia-smi" if there else None)
    monkeypatch.setattr(packages.platform, "system", lambda: "Linux")
    monkeypatch.setattr(packages.platform, "machine", lambda: "x86_64")
    assert ("tensorflow" in names(packages.packages())) == there
    assert ("tensorflow-cpu" in names(packages.packages())) != there
    monkeypatch.setattr(packages.platform, "machine", lambda: "arm64")
    assert "tensorflow" in names(packages.packages())


def test_all_of_requirements_is_in_some_installation(packages):
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    lacking = names(lines) - names(packages.packages("tests"))
    assert lacking <= {"tensorflow"}


def test_an_unknown_kind_is_named():
    done = subprocess.run([sys.executable, ROOT / ".ci" / "packages.py", "ap"], capture_output=True, text=True)
    assert done.returncode == 1 and "there is no ap" in done.stderr
