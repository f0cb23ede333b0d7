"""Trainings that several devices share; here two parts of one CPU, in a process of its own for each backend."""

import json

import pytest

from cvae.training.devices import on_devices
from preprocess.utils.errors import UserError
from tests.helpers import command

TRAIN = """
import json, sys
from preprocess.utils.quiet import import_keras
if sys.argv[1] == "jax":
    import jax
    jax.config.update("jax_num_cpu_devices", 2)
else:
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import_keras()
from cvae.training.loop import train
given = json.loads(sys.argv[4])
print(json.dumps(train(sys.argv[2], sys.argv[3], sys.argv[5], given, devices=sys.argv[6])))
"""
GIVEN = {"epochs": 2, "batch_size": 8, "width": 1 / 16, "precision": "float32"}

FIGURES = ("epoch", "loss", "val_loss", "gradient_norm", "parameter_norm")


def train_on(devices, backend, variant, data, given, folder, monkeypatch):
    """Trains on so many of two devices. Returns the finished process, whose last line is the history."""
    monkeypatch.setenv("KERAS_BACKEND", backend)
    process = command("-c", TRAIN, backend, variant, data, json.dumps(given), folder, devices)
    assert process.returncode == 0, process.stderr[-3000:]
    return process


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "backend"),
    [("64-image", "tensorflow"), ("64-flow", "tensorflow"), ("celeba-cvae", "jax")],
)
def test_two_devices_train_as_one(variant, backend, embedded, portraits, tmp_path, monkeypatch):
    pytest.importorskip(backend)
    data = portraits if variant == "celeba-cvae" else embedded
    one, two = (
        json.loads(
            train_on(devices, backend, variant, data, GIVEN, tmp_path / devices, monkeypatch).stdout.splitlines()[-1]
        )
        for devices in ("1", "all")
    )
    for row, other in zip(one, two, strict=True):
        # Sums come in another order; validation may have an image twice.
        for name in FIGURES:
            assert other[name] == pytest.approx(row[name], rel=0.01), name


@pytest.mark.slow
def test_what_cannot_be_shared_trains_on_one_device(portraits, tmp_path, monkeypatch):
    process = train_on(
        "all", "tensorflow", "celeba-cvae-gan", portraits, GIVEN | {"epochs": 1}, tmp_path / "run", monkeypatch
    )
    assert "on TensorFlow it trains on one device" in process.stdout


@pytest.mark.parametrize(
    ("wanted", "words"),
    [("0", "whole number, 1 or more"), ("few", "whole number, 1"), ("9", "there is 1 device here, not 9")],
)
def test_devices_that_are_not_there_are_refused(wanted, words):
    with pytest.raises(UserError, match=words), on_devices(wanted, 8, shares=True):
        pass


def test_as_many_train_as_can_share_a_batch_equally(monkeypatch, capsys):
    monkeypatch.setattr("cvae.training.devices.device_names", lambda: ["a", "b", "c", "d"])
    monkeypatch.setattr("cvae.training.devices._tensorflow_replicas", lambda names: pytest.MonkeyPatch.context())
    for batch_size, count in ((8, 4), (6, 3), (7, 1)):
        with on_devices("all", batch_size, shares=True) as found:
            assert found == count
    assert "3 of 4 devices train" in capsys.readouterr().out
    with pytest.raises(UserError, match="a batch of 7 cannot be shared by 2 devices"), on_devices("2", 7, shares=True):
        pass
