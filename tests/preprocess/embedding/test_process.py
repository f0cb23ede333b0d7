import signal
import subprocess
import sys

import pytest

from preprocess.embedding.process import EncoderProcess
from tests.helpers import ROOT

ENCODER = """
import time

class Encoder:
    def __init__(self):
        print("loading", flush=True)
        {}
"""


@pytest.fixture
def encoder(tmp_path):
    """Writes an encoder that does something while it loads. Returns what names it."""

    def write(line):
        (tmp_path / "encoder.py").write_text(ENCODER.format(line))
        return f"{tmp_path / 'encoder.py'}:Encoder"

    return write


def test_ctrl_c_that_reaches_the_encoder_alone_is_one(encoder):
    """A terminal sends it to both processes; in the one that waits a library may swallow it."""
    with pytest.raises(KeyboardInterrupt):
        EncoderProcess(encoder("raise KeyboardInterrupt"))


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 2)])
def test_a_signal_does_not_wait_for_an_encoder_that_loads(encoder, name, code):
    run = (
        "from preprocess.embedding.process import EncoderProcess\nfrom preprocess.utils.command import run_command\n"
        f"run_command(lambda: EncoderProcess({encoder('time.sleep(600)')!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", run], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline() == "loading\n"
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=120)
    assert process.returncode == code and said.startswith("error: interrupted")
