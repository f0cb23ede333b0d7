"""A Ray cluster of two nodes on this machine: what it makes, and what becomes of it when parts of it go."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from preprocess.cluster import joined
from preprocess.pasture.archive import write_archive
from preprocess.utils.errors import UserError
from tests.helpers import ROOT, command

ray = pytest.importorskip("ray")
WAIT_S = 400


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_archive(folder, 200, 0, 2)
    return folder / "train2017.zip"


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        yield found
        found.shutdown()


def preparing(archive, out):
    return ["offline_preprocess.py", "--zip", archive, "--theme", "all", "--shard-size", 10, "--out", out]


def embedding(shards, out):
    return ["clip_wrapper.py", shards, "--clip", "pasture", "--out", out]


def start(*arguments):
    given = [sys.executable, *map(str, arguments)]
    return subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


def wait_for(count, folder, process):
    begun = time.monotonic()
    while len(list(folder.glob("[tv]*.tfrecord"))) < count:
        assert process.poll() is None and time.monotonic() - begun < WAIT_S, process.communicate()[0]
        time.sleep(0.05)


def finished(process):
    said = process.communicate(timeout=WAIT_S)[0]
    assert process.returncode == 0, said
    return said


def bytes_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kill_a_worker(name):
    """Kills one of Ray's processes that runs a function of a name."""
    begun = time.monotonic()
    while time.monotonic() - begun < WAIT_S:
        found = subprocess.run(["pgrep", "-f", f"ray::{name}"], capture_output=True, text=True).stdout.split()
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
                return
        time.sleep(0.02)
    raise AssertionError(f"no worker runs {name}")


@pytest.mark.slow
def test_nothing_is_lost_or_other_than_on_one_machine_whatever_goes(archive, cluster, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    where = "--cluster", cluster.address
    for arguments in (preparing(archive, here / "shards"), embedding(here / "shards", here / "embedded")):
        process = command(*arguments)
        assert process.returncode == 0, process.stderr

    node = cluster.add_node(num_cpus=1)
    driver = start(*preparing(archive, there / "shards"), *where)
    wait_for(2, there / "shards", driver)
    kill_a_worker("_write_one")
    wait_for(4, there / "shards", driver)
    driver.kill()
    driver.communicate()
    made = {path: path.stat().st_mtime_ns for path in (there / "shards").glob("[tv]*.tfrecord")}
    driver = start(*preparing(archive, there / "shards"), *where)
    wait_for(len(made) + 2, there / "shards", driver)
    cluster.remove_node(node)
    said = finished(driver)
    # One bar, and what was done is not done again, but for shards whose mark the kill came before.
    assert said.count("100%") == 1
    again = [path for path, time_ns in made.items() if path.stat().st_mtime_ns != time_ns]
    assert len(again) <= 4
    assert bytes_in(there / "shards") == bytes_in(here / "shards")

    node = cluster.add_node(num_cpus=1)
    driver = start(*embedding(there / "shards", there / "embedded"), *where)
    wait_for(3, there / "embedded", driver)
    cluster.remove_node(node)
    wait_for(6, there / "embedded", driver)
    kill_a_worker("_Embedder")
    finished(driver)
    assert bytes_in(there / "embedded") == bytes_in(here / "embedded")


def test_a_cluster_that_is_not_there_is_a_sentence():
    words = "no Ray cluster is at 127.0.0.1:1 .*; begin one by `ray start --head`"
    with pytest.raises(UserError, match=words), joined("127.0.0.1:1"):
        pass
