"""The packages of an installation, a line each: `python .ci/packages.py`, and with `app`, `clip` or `tests` more.

By itself what draws and trains by what comes along takes: no PyTorch, which only OpenAI's own CLIP wants, and, where
there is no GPU of NVIDIA's, TensorFlow without CUDA. requirements.txt has all, as Colab has them.
"""

import pathlib
import platform
import re
import shutil
import sys
import tomllib

ROOT = pathlib.Path(__file__).parent.parent
CLIP = ("torch", "torchvision", "clip-anytorch", "setuptools")
TESTS = ("jax", "pytest", "pytest-xdist", "hypothesis", "papermill", "ipykernel", "ruff", "mypy")
KINDS = ("app", "clip", "sources", "cluster", "tests")


def without_cuda() -> bool:
    """Whether this machine has no GPU of NVIDIA's, and its kind a TensorFlow without CUDA."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64") and not shutil.which("nvidia-smi")


def packages(*kinds: str) -> list[str]:
    """The packages of an installation, as pip takes them.

    Args:
        kinds: any of `KINDS`; tests want all of them.
    """
    if "tests" in kinds:
        kinds = KINDS
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    left_out = {*([] if "clip" in kinds else CLIP), *([] if "tests" in kinds else TESTS)}
    found = [line for line in lines if re.match(r"[\w-]+", line)[0] not in left_out]
    if without_cuda():
        found = [re.sub("^tensorflow(?=[>=<])", "tensorflow-cpu", line) for line in found]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return found + [package for kind in kinds for package in extras.get(kind, ())]


if __name__ == "__main__":
    if unknown := set(sys.argv[1:]) - set(KINDS):
        sys.exit(f"error: there is no {', '.join(sorted(unknown))}; choose among {', '.join(KINDS)}.")
    print("\n".join(packages(*sys.argv[1:])))
