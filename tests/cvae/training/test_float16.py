"""Trainings in float16, as a T4 is fast in: Keras wraps the optimiser into one that scales the loss and skips steps."""

import keras
import numpy as np
import pytest

from cvae.keras_files import LAST, read_epochs
from cvae.log import read_log
from cvae.nn.ema import averaged_weights
from cvae.nn.optimizers import own_optimizer
from cvae.runs import Run
from cvae.systems.digits.task import DigitTask, epoch_steps
from cvae.training.loop import train
from tests.helpers import SMALL, SMALL_FLOW, assert_same_history, assert_same_weights

FLOAT16 = {"precision": "mixed_float16"}


def interrupt(run):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def flow_in_float16(embedded, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "64-flow"
    train("64-flow", embedded, out, SMALL_FLOW | FLOAT16 | {"autoencoder": "shipped"})
    return out


def test_the_best_model_holds_the_averages_that_the_wrapped_optimiser_keeps(flow_in_float16):
    last, best = Run(flow_in_float16).model(LAST), Run(flow_in_float16).model()
    assert isinstance(last.optimizer, keras.optimizers.LossScaleOptimizer) and own_optimizer(last).use_ema
    plain = [np.array(weight) for weight in last.get_weights()]
    with averaged_weights(last):
        averaged = last.get_weights()
        assert any(np.abs(one - other).max() > 1e-4 for one, other in zip(plain, averaged))
        for weight, average in zip(best.get_weights(), averaged, strict=True):
            np.testing.assert_allclose(weight, average, atol=1e-6)


def test_the_gauges_see_through_the_wrapping(flow_in_float16):
    assert all(row["gradient_norm"] > 0 and row["parameter_norm"] > 0 for row in read_log(flow_in_float16))


def test_a_training_that_left_steps_out_goes_on_with_the_right_epoch(small_digits_by_default, tmp_path, monkeypatch):
    """At first the scale is too large: the gradients of the first steps are infinite, and are left out."""
    monkeypatch.setattr(keras.optimizers.LossScaleOptimizer.__init__, "__defaults__", (2.0**24, 2000, None))
    given = {"epochs": 2, "batch_size": 32, "width": 1 / 8} | FLOAT16
    train("mnist-clip-vae", None, tmp_path / "whole", given)
    with pytest.raises(KeyboardInterrupt):
        train("mnist-clip-vae", None, tmp_path / "run", given, on_epoch=interrupt)
    steps = epoch_steps(len(DigitTask("mnist-clip-vae", None, {}).rows["train"]), 32)
    assert 0 < int(Run(tmp_path / "run").model(LAST).optimizer.iterations) < steps
    assert read_epochs(tmp_path / "run" / LAST) == 1
    history = train(None, None, tmp_path / "run", resume=True)
    assert [row["epoch"] for row in history] == [1, 2] and read_epochs(tmp_path / "run" / LAST) == 2
    assert_same_history(read_log(tmp_path / "run"), read_log(tmp_path / "whole"), tolerance=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["celeba-cvae", "celeba-cvae-gan"])
def test_faces_train_in_float16(variant, portraits, tmp_path):
    history = train(variant, portraits, tmp_path / "run", SMALL | FLOAT16 | {"epochs": 1})
    assert all(np.isfinite(value) for value in history[0].values())
    assert Run(tmp_path / "run").generate("an old man", count=2).arrays.std() > 0


@pytest.mark.slow
def test_a_gan_scales_the_loss_of_each_of_its_networks_and_keeps_both_scales(portraits, tmp_path):
    given = SMALL | FLOAT16 | {"decay": False}
    train("celeba-wgan-gp", portraits, tmp_path / "run", given)
    train("celeba-wgan-gp", portraits, tmp_path / "resumed", given | {"epochs": 1})
    train(None, None, tmp_path / "resumed", {"epochs": 2}, resume=True)
    model, resumed = (Run(tmp_path / name).model(LAST) for name in ("run", "resumed"))
    for optimizer in (model.optimizer, model.generator_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) and int(optimizer.iterations) > 0
    assert_same_weights(model, resumed, tolerance=1e-3)


@pytest.mark.slow
def test_the_courseworks_model_trains_in_float16(embedded, tmp_path):
    history = train("64-image", embedded, tmp_path / "run", SMALL | FLOAT16)
    assert history[1]["loss"] < history[0]["loss"]
