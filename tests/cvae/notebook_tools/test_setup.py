import importlib.metadata
import pathlib
import subprocess
import sys

import pytest

from cvae.notebook_tools import setup as colab
from preprocess.utils.errors import UserError
from tests.helpers import command


@pytest.fixture
def pip(monkeypatch):
    """Records what pip is asked for in place of asking; `pip.failing` are parts of requirements that it refuses."""

    class Pip:
        requests, constraints, failing = (), "", ()

        def run(self, command, **options):
            requirements = command[command.index("-c") + 2 :]
            self.constraints = pathlib.Path(command[command.index("-c") + 1]).read_text()
            self.requests += (requirements,)
            refused = any(part in requirement for part in self.failing for requirement in requirements)
            return subprocess.CompletedProcess(command, int(refused), "", "many lines\nno such repository" * refused)

    recorded = Pip()
    monkeypatch.setattr(colab.subprocess, "run", recorded.run)
    return recorded


def test_only_what_is_missing_is_installed_and_nothing_is_replaced(pip, monkeypatch):
    monkeypatch.setattr(colab, "_is_missing", lambda module: module in ("ftfy", "pkg_resources"))
    colab._install_missing()
    assert pip.requests == (["setuptools<81", "ftfy>=6"],), "with the bounds of requirements.txt"
    pinned = dict(line.split("==") for line in pip.constraints.splitlines())
    # TensorFlow is there with CUDA or without.
    assert set(colab.KEPT) - set(pinned) in ({"tensorflow"}, {"tensorflow-cpu"})
    assert pinned["numpy"] == importlib.metadata.version("numpy")


def test_clip_comes_from_openai_and_from_the_package_index_where_that_fails(pip, monkeypatch, capsys):
    installed = set()
    monkeypatch.setattr(colab, "_is_missing", lambda module: module == "clip" and not installed)
    run = pip.run

    def install(command, **options):
        done = run(command, **options)
        if not done.returncode:
            installed.add("clip")
        return done

    monkeypatch.setattr(colab.subprocess, "run", install)
    colab._install_missing()
    assert pip.requests == (["--no-build-isolation", "git+https://github.com/openai/CLIP.git"],)
    installed.clear()
    pip.requests, pip.failing = (), ("github.com",)
    colab._install_missing()
    assert pip.requests[1:] == (["clip-anytorch"],) and "no such repository" in capsys.readouterr().out


@pytest.mark.parametrize(("module", "words"), [("clip", "CLIP cannot be"), ("ftfy", "ftfy>=6 cannot be")])
def test_what_cannot_be_installed_is_one_sentence(pip, monkeypatch, module, words):
    monkeypatch.setattr(colab, "_is_missing", lambda name: name == module)
    pip.failing = ("CLIP", "clip", "ftfy")
    with pytest.raises(UserError, match=words + " installed .no such repository"):
        colab._install_missing()


def test_the_first_cell_needs_nothing_but_the_standard_library():
    code = (
        "import sys; old = set(sys.modules); import cvae.notebook_tools.setup; print(*sorted(set(sys.modules) - old))"
    )
    imported = {name.split(".")[0] for name in command("-c", code).stdout.split()}
    assert not imported - set(sys.stdlib_module_names) - {"cvae", "preprocess"}


@pytest.mark.parametrize(("variable", "backend"), [("TPU_ACCELERATOR_TYPE", "jax"), ("NOTHING", "tensorflow")])
def test_tpus_get_jax(variable, backend):
    # In a process of its own, with no TPU there: JAX then runs on the CPU.
    code = f"import os; os.environ['{variable}'] = 'v5e-1'; from cvae.notebook_tools import setup; setup.set_up()"
    process = command("-c", code)
    assert process.returncode == 0, process.stderr
    assert f"Keras runs on {backend}, on" in process.stdout and process.stdout.startswith("Python 3.")


def test_sentences_name_the_forms_fields():
    sentence = "--epochs must be at least 1 and --batch-size at least 2; choose another --out."
    assert colab.as_fields(sentence) == "EPOCHS must be at least 1 and BATCH_SIZE at least 2; choose another WORK."


def test_a_work_folder_is_made_here_or_in_drive(tmp_path, monkeypatch):
    assert colab.work_folder(str(tmp_path / "a" / "b")).is_dir()
    with pytest.raises(UserError, match="in Colab only"):
        colab.work_folder("work", "Deep Learning FP")
    for name, drive in ((" ", None), ("work", "")):
        with pytest.raises(UserError, match="name is empty"):
            colab.work_folder(name, drive)
    with pytest.raises(UserError, match="not beginning with /"):
        colab.work_folder(str(tmp_path), "Deep Learning FP")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        colab.work_folder(str(tmp_path / "file"))
