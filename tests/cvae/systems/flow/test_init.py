import types

import keras
import numpy as np
import pytest

from cvae.nn.flow_networks import CONDITION
from cvae.runs import Run
from cvae.systems.flow import init
from cvae.systems.flow.autoencoder import Autoencoder
from cvae.systems.flow.init import begin_with
from cvae.systems.flow.model import LatentFlow
from cvae.systems.flow.task import FlowTask
from cvae.training.loop import train
from preprocess.utils.errors import UserError
from tests.helpers import SMALL_FLOW, assert_same_weights


def flow(seed, condition_dim=8, image_size=64, condition="image"):
    keras.utils.set_random_seed(seed)
    model = LatentFlow(
        Autoencoder(width=1 / 16), condition_dim, width=64, depth=2, image_size=image_size, condition=condition
    )
    rng = np.random.default_rng(seed)
    # Some begin as zeros, and would be the same in all flows.
    model.network.set_weights([rng.standard_normal(weight.shape) for weight in model.network.weights])
    return model


def run_of(model):
    return types.SimpleNamespace(model=lambda: model)


def test_a_flow_of_the_same_kind_takes_all_weights(capsys):
    source, model = flow(0), flow(1)
    begin_with(model, run_of(source))
    assert_same_weights(model.network, source.network)
    assert "100.0% of the weights" in capsys.readouterr().out


@pytest.mark.parametrize("condition_dim", [8, 5])
def test_one_of_other_conditions_learns_what_they_mean_anew(condition_dim):
    source, model = flow(0), flow(1, condition_dim, condition="attributes")
    own = [np.array(weight) for weight in model.network.get_layer(CONDITION).weights]
    begin_with(model, run_of(source))
    for before, after in zip(own, model.network.get_layer(CONDITION).weights, strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(model.network.weights[-1], source.network.weights[-1])


def test_one_of_larger_pictures_keeps_its_first_and_last_layer():
    source, model = flow(0), flow(1, image_size=128)
    ends = [
        layer
        for layer in model.network.layers
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Conv2DTranspose))
    ]
    before = [np.array(layer.kernel) for layer in ends]
    assert len(ends) == 2
    begin_with(model, run_of(source))
    for layer, kernel in zip(ends, before, strict=True):
        np.testing.assert_array_equal(layer.kernel, kernel)
    own, other = (each.network.get_layer(CONDITION) for each in (model, source))
    np.testing.assert_array_equal(own.kernel, other.kernel)


def test_what_a_flow_cannot_begin_with_is_an_error(flow_run, run, embedded, tmp_path, monkeypatch):
    def begin(init, **given):
        train("64-flow", embedded, tmp_path / "run", SMALL_FLOW | {"init": str(init)} | given)

    with pytest.raises(UserError, match="is a 64-image; give --init the run of a flow"):
        begin(run)
    with pytest.raises(UserError, match="knows embeddings by photographs, .* embed the data with `--clip photographs`"):
        begin("photographs-64", width=0.5)
    # Not given, it is the other's.
    assert FlowTask("64-flow", embedded, {"init": flow_run}).settings.width == Run(flow_run).settings["width"]
    width = Run(flow_run).settings["width"]
    # One that goes on, which has its own, does so when the other is gone.
    assert FlowTask("64-flow", embedded, {"init": str(tmp_path / "gone"), "width": width}).settings.width == width
    with pytest.raises(UserError, match=f"has --width {width:g}; give that one"):
        begin(flow_run, width=0.5)
    monkeypatch.setattr(init, "read_model_config", lambda path: {})
    with pytest.raises(UserError, match="is of version 0.2 or before, whose flows are built otherwise"):
        begin(flow_run)
