"""Beginning a flow with the weights of another (`--init`), so that a training is not from nothing."""

from typing import Any

import numpy as np

from cvae.keras_files import read_model_config
from cvae.runs import Run
from cvae.systems.flow import FlowVariant
from preprocess.shards.info import DataInfo
from preprocess.utils.errors import UserError


def check_init(run: Run, info: DataInfo, condition: str, width: float) -> None:
    """Raises a UserError for a run that a flow of some condition and width on some data cannot begin with."""
    if run.variant.task != FlowVariant.task:
        raise UserError(f"{run} is a {run.variant_name}; give --init the run of a flow.")
    # One conditioned on something else learns what its conditions mean anew, and may.
    same = run.encoder.clip["weights_sha256"] == info.encoder.clip["weights_sha256"]
    if run.variant.condition == condition and not same:
        raise UserError(
            f"{run} knows embeddings by {run.encoder.clip['name']}, {info.folder} has those by "
            f"{info.encoder.clip['name']}; embed the data with `--clip {run.encoder.spec}`, or leave --init out."
        )
    if run.settings["width"] != width:
        raise UserError(f"{run} has --width {run.settings['width']:g}; give that one, or leave --init out.")
    # Files of version 0.2 and before say nothing of it.
    if read_model_config(run.find_model()).get("revision", 1) == 1:
        raise UserError(f"{run} is of version 0.2 or before, whose flows are built otherwise; leave --init out.")


def begin_with(model: Any, run: Run) -> None:
    """Gives a `cvae.systems.flow.model.LatentFlow` the weights of a run's flow of the same width.

    A flow of pictures of another size has patches of another, and keeps its own first and last layer; one conditioned
    on something else keeps the layer that takes the condition in. Prints how many of the numbers were taken over.
    """
    from cvae.nn.flow_networks import CONDITION

    source = run.model()
    pairs = list(zip(model.network.weights, source.network.weights, strict=True))
    own_layer = () if source.condition == model.condition else model.network.get_layer(CONDITION).weights
    kept = {id(weight) for weight in own_layer}
    taken = [(own, other) for own, other in pairs if own.shape == other.shape and id(own) not in kept]
    for own, other in taken:
        own.assign(other)
    if source.shipped and source.shipped == model.shipped:
        # What the network knows is latents standardised like this.
        model.center.assign(source.center)
        model.scale.assign(source.scale)
    share = _numbers(own for own, _ in taken) / _numbers(own for own, _ in pairs)
    print(f"{share:.1%} of the weights are those of {run}, the others new.")


def _numbers(weights: Any) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)
