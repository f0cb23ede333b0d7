"""The packages of an installation, a line each: `python .ci/packages.py`, and with extras, such as `app`, more of them.

They are pyproject.toml's, but where there is no GPU of NVIDIA's TensorFlow comes without CUDA.
"""

import pathlib
import platform
import re
import shutil
import sys
import tomllib

ROOT = pathlib.Path(__file__).parent.parent


def without_cuda() -> bool:
    """Whether this machine has no GPU of NVIDIA's, and its kind a TensorFlow without CUDA."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64") and not shutil.which("nvidia-smi")


def packages(*extras: str) -> list[str]:
    """The packages of an installation, as pip takes them; with "all" those of all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = project["optional-dependencies"]
    found = [
        *project["dependencies"],
        *(line for name in (known if "all" in extras else extras) for line in known[name]),
    ]
    if without_cuda():
        found = [re.sub("^tensorflow(?=[>=<])", "tensorflow-cpu", line) for line in found]
    return found


if __name__ == "__main__":
    print("\n".join(packages(*sys.argv[1:])))
