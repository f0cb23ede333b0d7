"""Processes that are killed at random moments, and run again: what they leave is what an undisturbed one leaves."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cvae.keras_files import load_keras
from cvae.log import LOG, read_log
from preprocess.pasture import PASTURE_CLIP
from preprocess.utils.files import PARTIAL
from tests.helpers import ROOT, SMALL_OPTIONS, assert_same_embedded, assert_same_history, assert_same_weights

# Printed, so that a failure can be made again: CHAOS_SEED=... pytest tests/chaos.
SEED = int(os.environ.get("CHAOS_SEED", time.time_ns() % 10**6))
# Of each command; a hundred in all.
KILLS = int(os.environ.get("CHAOS_KILLS", 15))
SCRIPT = ROOT / "offline_preprocess.py"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
FLOW_OPTIONS = ("--epochs", 2, "--batch-size", 16, "--width", 1 / 16, "--precision", "float32")

OWN_AUTOENCODER = ("--autoencoder", "train")
GAN_OPTIONS = ("--epochs", 2, "--batch-size", 16, "--width", 1 / 8, "--precision", "float32")

pytestmark = pytest.mark.slow


def begin(arguments):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}
    # A group of its own: a scheduler ends all of a job's processes, a user's Ctrl-C too.
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(arguments):
    """Runs a command undisturbed; the seconds that it took."""
    begun = time.perf_counter()
    process = begin(arguments)
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    return time.perf_counter() - begun


def run_under_fire(arguments, seconds, lot, ended):
    """Runs a command and ends it at a random moment of `seconds` until that came `KILLS` times before its end.

    `ended` is called where the command was faster.
    """
    hit = 0
    while hit < KILLS:
        process = begin(arguments)
        try:
            _, said = process.communicate(timeout=lot.uniform(0.2, seconds))
        except subprocess.TimeoutExpired:
            sent = SIGNALS[hit % len(SIGNALS)]
            hit += 1
            os.killpg(process.pid, sent)
            _, said = process.communicate(timeout=120)
            expected = {-sent} if sent == signal.SIGKILL else {2, 130, 0, -sent}
            assert process.returncode in expected, (sent, process.returncode, said)
            assert "Traceback" not in said or process.returncode < 0, said
            continue
        assert process.returncode == 0, said
        ended()


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def same_files(folder, other):
    assert contents(folder) == contents(other)
    assert not any(PARTIAL in name for name in contents(folder))


def same_run(folder, other):
    """The same weights and history, and all other files of the same names."""
    for log in sorted(folder.rglob(LOG)):
        assert_same_history(read_log(log.parent), read_log(other / log.parent.relative_to(folder)), tolerance=1e-3)
    for path in sorted(folder.rglob("*.keras")):
        left, right = (load_keras(place) for place in (path, other / path.relative_to(folder)))
        assert_same_weights(left, right, tolerance=1e-4)
    names, others = ({name for name in contents(place) if "tensorboard" not in name} for place in (folder, other))
    assert names == others


def same_pictures(folder, other):
    from PIL import Image

    newest = [max((run / "generated").iterdir(), key=lambda place: int(place.name)) for run in (folder, other)]
    one, two = (np.asarray(Image.open(place / "grid.png"), int) for place in newest)
    assert np.abs(one - two).max() <= 1


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with an archive, shards, embedded shards and portraits."""
    folder = tmp_path_factory.mktemp("inputs")
    finish(("-m", "preprocess.pasture", "--out", folder / "pasture", "--count", 150, "--workers", 1))
    finish(commands(folder, folder)["preprocess"])
    finish(commands(folder, folder)["embed"])
    finish(("-m", "preprocess.faces", "--out", folder / "faces", "--count", 120, "--workers", 1))
    finish(
        ("-m", "preprocess.celeba", "--zip", folder / "faces" / "img_align_celeba.zip", "--attributes",
         folder / "faces" / "list_attr_celeba.txt", "--out", folder / "portraits", "--workers", 1)
    )  # fmt: skip
    finish((ROOT / "clip_wrapper.py", folder / "portraits", "--clip", PASTURE_CLIP, "--out", folder / "portraits_e"))
    finish(commands(folder, folder)["train"])
    return folder


def commands(folder, out):
    """{what: its command line}, on what lies in a folder."""
    train = ("-m", "cvae", "train", "--resume", "--data", folder / "embedded")
    return {
        "preprocess": (SCRIPT, "--zip", folder / "pasture" / "train2017.zip", "--theme", "large",
                       "--shard-size", 8, "--workers", 2, "--out", out / "shards"),
        "embed": (ROOT / "clip_wrapper.py", folder / "shards", "--clip", PASTURE_CLIP, "--out", out / "embedded"),
        "train": (*train, "--variant", "64-image", "--run", out / "train", *SMALL_OPTIONS),
        "flow": (*train, "--variant", "64-flow", "--run", out / "flow", *FLOW_OPTIONS, *OWN_AUTOENCODER),
        "gan": ("-m", "cvae", "train", "--resume", "--variant", "celeba-cvae-gan", "--data", folder / "portraits_e",
                "--run", out / "gan", *GAN_OPTIONS),
        "compare": ("-m", "cvae", "compare", "--system", "faces", "--variants", "celeba-cvae,celeba-cvae-gan", "--data",
                    folder / "portraits_e", "--out", out / "compare", *GAN_OPTIONS),
        "generate": ("-m", "cvae", "generate", "--run", out / "train", "a cow", "--count", 2),
    }  # fmt: skip


COMPARE = {"preprocess": same_files, "embed": assert_same_embedded, "generate": same_pictures}
FOLDERS = {"preprocess": "shards", "embed": "embedded", "generate": "train"}


@pytest.mark.parametrize("what", ["preprocess", "embed", "train", "flow", "gan", "compare", "generate"])
def test_killed_at_random_moments_and_run_again(inputs, tmp_path, what):
    # First, so that a failure shows it.
    print(f"{what}: {KILLS} times, seed {SEED}")
    lot, whole, killed = random.Random(f"{SEED} {what}"), tmp_path / "whole", tmp_path / "killed"

    def empty(place):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if what == "generate":
            shutil.copytree(inputs / "train", place / "train")

    def compare():
        COMPARE.get(what, same_run)(whole / FOLDERS.get(what, what), killed / FOLDERS.get(what, what))
        empty(killed)

    empty(whole), empty(killed)
    seconds = finish(commands(inputs, whole)[what])
    run_under_fire(commands(inputs, killed)[what], seconds, lot, compare)
    finish(commands(inputs, killed)[what])
    compare()


def test_a_small_disk_that_fills_up_keeps_what_is_finished(inputs, tmp_path):
    """On a file system of 600 kB: one sentence, and all is well once there is room."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        process = begin(commands(inputs, place)["preprocess"])
        _, said = process.communicate(timeout=300)
        assert process.returncode == 2 and "Traceback" not in said, said
        assert "No space left on device" in said and str(place / "shards") in said
        done = {path.name: path.stat().st_mtime_ns for path in (place / "shards").glob("*-*.json")}
        subprocess.run(["mount", "-o", "remount,size=60m", str(place)], check=True)
        finish(commands(inputs, place)["preprocess"])
        same_files(inputs / "shards", place / "shards")
        assert done.items() <= {path.name: path.stat().st_mtime_ns for path in (place / "shards").iterdir()}.items()
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_data_that_go_away_while_training_are_named(inputs, tmp_path):
    data = shutil.copytree(inputs / "embedded", tmp_path / "embedded")
    run = tmp_path / "run"
    options = ("--epochs", 200, "--batch-size", 8, "--width", 1 / 16)
    process = begin(("-m", "cvae", "train", "--variant", "64-image", "--data", data, "--run", run, *options))
    while not (run / "last.keras").is_file():
        assert process.poll() is None
        time.sleep(0.2)
    data.rename(tmp_path / "elsewhere")
    _, said = process.communicate(timeout=300)
    last = said.strip().splitlines()[-1]
    assert process.returncode == 2 and "Traceback" not in said, said
    assert str(data) in last and f"cvae train --resume --run {run}" in last


@pytest.fixture(params=["a folder", "a FUSE mount"])
def place(request, tmp_path):
    """A folder to work in, and the same through a file system in user space, as Google Drive's is."""
    if request.param == "a folder":
        yield tmp_path
        return
    (tmp_path / "disk").mkdir()
    (tmp_path / "mount").mkdir()
    mount = ["bindfs", str(tmp_path / "disk"), str(tmp_path / "mount")]
    if not shutil.which("bindfs") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs bindfs, and the right to mount with it")
    yield tmp_path / "mount"
    subprocess.run(["fusermount", "-u", str(tmp_path / "mount")], check=True)


def test_without_locks_work_is_done(inputs, place, tmp_path):
    """As on Google Drive in Colab: locking a folder is refused."""
    (tmp_path / "sitecustomize.py").write_text(
        "import errno, fcntl\ndef refuse(*arguments): raise OSError(errno.ENOTSUP, 'no locks')\nfcntl.flock = refuse\n"
    )
    arguments = commands(inputs, place)["preprocess"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    same_files(inputs / "shards", place / "shards")
