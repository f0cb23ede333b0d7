import json
import shutil

import pytest

from cvae.runs import CONFIG, Run
from preprocess.embedding.process import EncoderProcess, EncoderRecord
from preprocess.embedding.trust import check_known, remember, runs_code
from preprocess.utils.errors import UserError

EVIL = """
import pathlib
import numpy as np

pathlib.Path({mark!r}).write_text("ran")


class Mine:
    name, embedding_dim, image_size = "mine", 3, 8

    def encode_images(self, images):
        return np.ones((len(images), 3))

    def encode_texts(self, texts):
        return np.ones((len(texts), 3))
"""


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    """An encoder's spec, and the file that shows that it ran."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    mark = tmp_path / "ran"
    (tmp_path / "mine.py").write_text(EVIL.format(mark=str(mark)))
    return f"{tmp_path}/mine.py:Mine", mark


def test_no_program_that_a_run_names_is_run(run, tmp_path, encoder):
    spec, mark = encoder
    given = shutil.copytree(run, tmp_path / "given")
    config = json.loads((given / CONFIG).read_text())
    (given / CONFIG).write_text(json.dumps(config | {"clip_spec": spec}))
    with pytest.raises(UserError, match=r"mine.py:Mine is a program, which you have not named"):
        Run(given).condition(["a cow"])
    assert not mark.exists()


def test_what_a_user_named_is_known_wherever_it_lies_until_it_changes(tmp_path, encoder):
    spec, mark = encoder
    with EncoderProcess(spec) as named:
        clip = {"name": "mine", "embedding_dim": 3, "weights_sha256": named.weights_sha256}
    mark.unlink()
    record = EncoderRecord(clip, spec, "")
    with record.open() as opened:
        assert opened.encode_texts(["a"]).shape == (1, 3) and mark.exists()
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.copy(tmp_path / "mine.py", tmp_path / "elsewhere" / "mine.py")
    check_known(f"{moved}:Mine")
    with open(moved, "a") as file:
        file.write("# changed")
    with pytest.raises(UserError, match="if you trust it"):
        check_known(f"{moved}:Mine")


def test_weights_are_no_program(tmp_path, encoder):
    (tmp_path / "a:b.pt").write_bytes(b"")
    assert not any(map(runs_code, ("ViT-B/32", "photographs", str(tmp_path / "a:b.pt"))))
    assert runs_code("package.module:Class") and runs_code(encoder[0])


def test_without_a_home_an_encoder_is_named_each_time(tmp_path, encoder, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remember(encoder[0])
    with pytest.raises(UserError, match="if you trust it"):
        check_known(encoder[0])
