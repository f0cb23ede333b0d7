"""A flow in an autoencoder's latent space: unCLIP's idea at a coursework's scale."""

import dataclasses
from typing import Any, ClassVar

from cvae.registry import Option, System, Variant
from cvae.sampling.options import BEST_OF, CLIP, GUIDANCE, MANY, STEPS
from cvae.training.options import AUTOENCODER, FLOW_DEFAULTS, INIT

DATA = "data/bucolic/embedded"
PRIOR = Option(
    "prior",
    "embedding prior, from a prompt's embedding to an image's: none, mean, ridge (default; follows prompts most), "
    "gaussian (varies most), or flow (learned the first time it is asked for, some minutes)",
    choices=("none", "mean", "ridge", "gaussian", "flow"),
)
PHOTOGRAPH = (
    Option(
        "towards",
        'what the photograph should become, such as "in the snow", by a guidance of 3 at most (default: variations of '
        "it)",
    ),
    Option("count", "pictures (default: 4)", type=int, least=1, most=MANY),
    Option("seed", "of variations: the same seed draws the same pictures (default: 0)", type=int, least=0),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoencoderVariant(Variant):
    """A `cvae.systems.flow.autoencoder.Autoencoder`, the first stage of every `FlowVariant`."""

    task = "cvae.systems.flow.autoencoder_task:AutoencoderTask"
    condition_prompts = None


class SharpAutoencoderVariant(AutoencoderVariant):
    """A `cvae.systems.flow.sharp_autoencoder.SharpAutoencoder`."""

    train_options = (INIT,)
    task = "cvae.systems.flow.autoencoder_task:SharpAutoencoderTask"


class SpatialVAEVariant(AutoencoderVariant):
    """A `cvae.systems.flow.spatial_vae.SpatialVAE`, the first stage of flows of version 0.2 and before."""

    task = "cvae.systems.flow.spatial_vae_task:SpatialVAETask"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlowVariant(Variant):
    """A `cvae.systems.flow.model.LatentFlow` of photographs.

    Attributes:
        side: tokens a side.
        options: {name: value} of `cvae.nn.samplers.SamplerOptions` that pictures are drawn with, in place of its own.
        crops: of each photograph that are trained on too. On 13,800 photographs, after 140 epochs, the loss on held-out
            ones is .700 with two and .706 without.
    """

    side: int = 8
    crops = 2
    options: ClassVar[dict[str, Any]] = {}
    train_options = (AUTOENCODER, INIT)
    task = "cvae.systems.flow.task:FlowTask"
    open_drawer = "cvae.systems.flow.draw:open_drawer"


# What all first stages share.
_STAGE: dict[str, Any] = {
    "data": DATA,
    # Small batches: after as long a training, 2.5 minutes on a core, reconstructions by a `SpatialVAE` have a CMMD to
    # photographs of 3.1 with batches of 32, 2.6 with 16, 2.3 with 8 and 2.1 with 4; but smaller ones leave a GPU idle.
    "batch_size": 8,
    "least_steps": 2000,
    "lacks": ("generate", "evaluate", "nearest", "vary"),
}


def _spatial_vae(size: int) -> SpatialVAEVariant:
    return SpatialVAEVariant(
        image_size=size,
        condition="image",
        conditioned_on="nothing: the first stage of flows of version 0.2",
        learning_rate=1e-3,
        decay=True,
        **_STAGE,
    )


def _flow(size: int) -> FlowVariant:
    return FlowVariant(
        image_size=size,
        condition="image",
        conditioned_on="the image's CLIP embedding",
        data=DATA,
        side=size // 8,
        **FLOW_DEFAULTS,
        cost={
            64: "7 min of one core on 1,800 drawn scenes, with --init pasture-128 --batch-size 16 --epochs 10",
            128: "208 s of an H100 on 13,832 photographs at --width 0.5",
        }[size],
    )


SYSTEM = System(
    name="flow",
    about="a flow in an autoencoder's latent space",
    variants={
        "autoencoder": AutoencoderVariant(
            image_size=128,
            conditioned_on="nothing: the first stage of all flows",
            epochs=10,
            learning_rate=6e-4,
            decay=True,
            **_STAGE,
        ),
        "sharp-autoencoder": SharpAutoencoderVariant(
            image_size=128,
            conditioned_on="nothing: an autoencoder, its decoder trained on beside a critic",
            epochs=3,
            learning_rate=1e-4,
            **_STAGE,
        ),
        "64-autoencoder": _spatial_vae(64),
        "128-autoencoder": _spatial_vae(128),
        "64-flow": _flow(64),
        "128-flow": _flow(128),
    },
    models=(
        "cvae.systems.flow.autoencoder",
        "cvae.systems.flow.sharp_autoencoder",
        "cvae.systems.flow.spatial_vae",
        "cvae.systems.flow.model",
    ),
    commands={
        "generate": "cvae.sampling.generate:generate",
        "evaluate": "cvae.evaluation.photos:evaluate",
        "nearest": "cvae.evaluation.nearest:nearest",
    },
    image_commands={
        "vary": ("cvae.systems.flow.vary:vary", "draw variations of a photograph, or change it towards a prompt")
    },
    options={
        "generate": (GUIDANCE, STEPS, PRIOR, BEST_OF, CLIP),
        "evaluate": (CLIP,),
        "nearest": (CLIP,),
        "vary": (*PHOTOGRAPH, GUIDANCE, STEPS, CLIP),
    },
)
