"""What `make` and `pip install .` take: enough for what comes along, and no more."""

import importlib.util
import re
import shutil
import tomllib

import pytest

from tests.helpers import ROOT


@pytest.fixture
def packages():
    spec = importlib.util.spec_from_file_location("packages", ROOT / ".ci" / "packages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(lines):
    return {re.match(r"[\w-]+", line)[0] for line in lines}


def test_pytorch_comes_with_clip_alone(packages):
    assert not names(packages.packages()) & {"torch", "torchvision", "clip-anytorch", "jax", "pytest", "gradio", "ray"}
    assert {"torch", "torchvision", "clip-anytorch"} <= names(packages.packages("clip"))
    assert {"torch", "jax", "pytest", "ruff", "gradio", "ray", "pyarrow"} <= names(packages.packages("all"))
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


def test_requirements_are_those_of_the_package_and_of_the_extras_that_colab_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {*project["dependencies"], *extras["clip"], *extras["jax"], *extras["tests"]}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert {line for line in lines if line and line[0] != "#"} == wanted
