import json
import os
import shutil

import pytest

from cvae.export import DATA, shared_config
from cvae.publish import publish
from cvae.runs import Run
from preprocess.utils.errors import UserError
from tests.cvae import hub as fake
from tests.helpers import command

pytest.importorskip("huggingface_hub")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on this machine, which the client is set to talk to in processes of their own."""
    with fake.serve() as server:
        given = {"HF_ENDPOINT": server.address, "HF_TOKEN": "hf_test", "HF_HOME": str(tmp_path / "hf")}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        yield server


@pytest.mark.slow
def test_a_run_goes_to_the_hub_and_comes_back(run, hub, tmp_path):
    done = command("-m", "cvae", "publish", "--run", run, "hf://me/meadows", "--licence", "mit", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"Published it at {hub.address}/me/meadows." in done.stdout
    files = hub.repositories["me/meadows"]
    assert sorted(files) == ["README.md", "best.keras", "log.csv", "run.json", "samples.png"]
    card = files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: keras") and "license: mit" in card
    assert "cvae generate --preset hf://me/meadows" in card and Run(run).config["clip"]["weights_sha256"] in card
    written = card + files["run.json"].decode()
    assert not [path for path in (str(run), str(tmp_path), os.path.expanduser("~") + "/") if path in written]
    drawn = command(
        "-m", "cvae", "generate", "--preset", "hf://me/meadows", "a sheep", "--count", 1, "--out", "x.png", cwd=tmp_path
    )
    assert drawn.returncode == 0 and (tmp_path / "x.png").is_file(), drawn.stderr
    # A card that was written on by hand stays.
    files["README.md"] = b"my own words"
    again = command("-m", "cvae", "publish", "--run", run, "hf://me/meadows", cwd=tmp_path)
    assert again.returncode == 0 and files["README.md"] == b"my own words", again.stderr
    private = command("-m", "cvae", "publish", "--run", run, "hf://me/meadows", "--private", cwd=tmp_path)
    assert private.returncode == 2 and "is there already, for everybody" in private.stderr
    # A second time without a network.
    hub.repositories.clear()
    kept = command("-m", "cvae", "generate", "--preset", "hf://me/meadows", "a sheep", "--count", 1, cwd=tmp_path)
    assert kept.returncode == 0 and (tmp_path / "runs" / "presets" / "me--meadows" / "generated").is_dir(), kept.stderr


def test_what_is_not_on_the_hub_or_forbidden_is_a_sentence(run, hub, tmp_path, monkeypatch):
    missing = command("-m", "cvae", "generate", "--preset", "hf://me/nothing", "a sheep", cwd=tmp_path)
    assert missing.returncode == 2 and missing.stderr.startswith("error: hf://me/nothing"), missing.stderr
    monkeypatch.setenv("HF_TOKEN", "")
    refused = command("-m", "cvae", "publish", "--run", run, "hf://me/meadows", cwd=tmp_path)
    assert refused.returncode == 2 and "hf auth login" in refused.stderr and "Traceback" not in refused.stderr
    with pytest.raises(UserError, match="leave out @main"):
        publish(Run(run), "hf://me/meadows@main")


def test_nothing_of_this_machine_is_shared(run, tmp_path):
    own = Run(shutil.copytree(run, tmp_path / "run"))
    own.update(clip_spec=str(tmp_path / "clip.pt"), options={"init": str(tmp_path), "autoencoder": str(run)})
    shared = shared_config(own.config)
    assert shared["data"] == DATA and shared["clip_spec"] == "clip.pt" and shared["options"] == {}
    assert str(tmp_path) not in json.dumps(shared) and str(run) not in json.dumps(shared)
    assert shared_config(own.config | {"options": {"autoencoder": "shipped"}})["options"] == {"autoencoder": "shipped"}


def test_a_datas_name_that_is_part_of_others_changes_those_not():
    config = {"variant": "mnist-clip-vae", "data": "mnist", "digits": "60000 digits, MNIST's files in mnist"}
    assert shared_config(config) == {"variant": "mnist-clip-vae", "data": DATA, "digits": "60000 digits, MNIST's files"}
