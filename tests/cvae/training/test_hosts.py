"""Two hosts for one training; here two processes of one machine, on JAX's collectives for CPUs."""

import contextlib
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from cvae.log import read_log
from cvae.training.hosts import GONE, PREFIX, VARIABLES, Hosts
from preprocess.utils.errors import UserError
from tests.helpers import ROOT

FIGURES = ("epoch", "loss", "val_loss", "gradient_norm", "parameter_norm")
SIZE = ("--batch-size", "8", "--width", "0.0625", "--precision", "float32")
WAIT_S = 600


def start(cache, *arguments):
    """`cvae train` on JAX, with one device."""
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": str(ROOT)}
    # What one process has compiled, the next ones need not.
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    command = [sys.executable, "-m", "cvae", "train", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)


@contextlib.contextmanager
def two_hosts(cache, *arguments):
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    named = "--coordinator", f"localhost:{port}", "--hosts", 2
    processes = [start(cache, *arguments, *named, "--host", number) for number in range(2)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def figures_of(run):
    return [[row[name] for name in FIGURES] for row in read_log(run)]


def wait_for_epoch(run, number, processes):
    begun = time.monotonic()
    while len(read_log(run)) < number if (run / "last.keras").exists() else True:
        assert time.monotonic() - begun < WAIT_S and all(process.poll() is None for process in processes)
        time.sleep(0.2)


@pytest.mark.slow
def test_two_hosts_train_as_one_whichever_is_killed_on_the_way(embedded, tmp_path):
    pytest.importorskip("jax")
    # More epochs than are waited for, so that none ends before it is killed.
    given = ["--variant", "64-flow", "--data", embedded, "--epochs", 6, *SIZE]
    one = start(tmp_path / "cache", *given, "--run", tmp_path / "one")
    assert one.wait(WAIT_S) == 0, one.communicate()[1]
    run = tmp_path / "run"
    for epoch, victim in enumerate([1, 0], 1):
        with two_hosts(tmp_path / "cache", *given, "--run", run, *(["--resume"] if epoch > 1 else [])) as hosts:
            wait_for_epoch(run, epoch, hosts)
            hosts[victim].kill()
            said = hosts[1 - victim].communicate(timeout=WAIT_S)[1]
            assert hosts[1 - victim].returncode == 2, said
            assert said.strip().endswith("start all hosts again with --resume to go on."), said
            assert "Traceback" not in said and "Check failure" not in said
    with two_hosts(tmp_path / "cache", *given, "--run", run, "--resume") as hosts:
        for process in hosts:
            said = process.communicate(timeout=WAIT_S)[1]
            assert process.returncode == 0, said
    np.testing.assert_allclose(figures_of(run), figures_of(tmp_path / "one"), rtol=0.01)
    assert {path.name for path in run.iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("F0000 client.h:80] Terminating process because the JAX distributed service detected fatal errors.", GONE),
        (
            "F0000 literal.cc:1] Check failed: shape.IsArray()",
            "JAX ended this process: F0000 literal.cc:1] Check failed",
        ),
    ],
)
def test_an_abort_says_whether_another_host_was_the_reason(said, sentence):
    code = (
        "import os; from cvae.training.hosts import _say_so_when_aborted\n"
        f"_say_so_when_aborted(); os.write(2, {said.encode()!r}); os.abort()"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert process.returncode == 2 and f"error: {sentence}" in process.stderr


def test_hosts_are_named_by_options_or_by_keras_variables(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    assert Hosts.of(variables={}) is None
    assert Hosts.of("a:1", 1, 0) is None
    assert Hosts.of("10.0.0.1:4711", 2, 1, {}) == Hosts("10.0.0.1:4711", 2, 1)
    values = "10.0.0.1:4711,10.0.0.2:4711", "2", "1"
    variables = {PREFIX + name: value for name, value in zip(VARIABLES, values, strict=True)}
    assert Hosts.of(variables=variables) == Hosts("10.0.0.1:4711", 2, 1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("a:1", 2, None), "--coordinator, --hosts and --host together"),
        (("a", 2, 0), "--coordinator a names no host and port"),
        (("a:b", 2, 0), "names no host and port"),
        (("a:1", 0, 0), "--hosts must be a whole number, 1 or more"),
        (("a:1", 2, 2), "--host must be a whole number from 0 to 1"),
    ],
)
def test_hosts_that_cannot_be_are_refused(given, words):
    with pytest.raises(UserError, match=words):
        Hosts.of(*given, variables={})


def test_tensorflow_says_in_a_sentence_that_it_does_not(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "tensorflow")
    with pytest.raises(UserError, match="several hosts train on JAX.*; set KERAS_BACKEND=jax on each"):
        Hosts.of("a:1", 2, 0, {})


def test_hosts_have_parts_of_each_batch_that_make_up_the_whole():
    tf = pytest.importorskip("tensorflow")
    batches = tf.data.Dataset.from_tensor_slices(((np.arange(16), np.arange(32).reshape(16, 2)),)).batch(8)
    parts = [list(Hosts("a:1", 2, number).part(batches)) for number in range(2)]
    for whole, *halves in zip(batches, *parts, strict=True):
        for column, of_column in zip(whole[0], zip(*[half[0] for half in halves], strict=True), strict=True):
            np.testing.assert_array_equal(np.concatenate(of_column), column)
