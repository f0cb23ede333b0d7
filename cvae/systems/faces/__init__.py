"""Faces from descriptions: three models of CelebA's portraits, and a flow."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from cvae.registry import Option, System, Variant
from cvae.sampling.options import CLIP, GUIDANCE, STEPS
from cvae.training.options import AUTOENCODER, FLOW_DEFAULTS, INIT

DATA = "data/faces/embedded"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceVariant(Variant):
    """A model of CelebA's portraits.

    Attributes:
        model: "cvae", "cvae-gan" or "wgan-gp".
        edit_image: the function (model, image, condition, others) that draws an image anew with other conditions; see
            `cvae.systems.faces.edit.edit_image`.
    """

    model: str
    edit_image = "cvae.systems.faces.edit:edit_image"
    task = "cvae.systems.faces.task:FaceTask"
    condition_prompts = "cvae.systems.faces.conditions:condition_prompts"


# What the conditions are in words, and the endings of variants' names.
_CONDITIONS = {
    "attributes": ("40 attributes", ""),
    "text": ("a sentence's CLIP embedding", "-text"),
    "both": ("40 attributes and a sentence's CLIP embedding", "-both"),
}
_CELEBA: Mapping[str, Mapping[str, Any]] = {
    "cvae": {"epochs": 60, "decay": True, "least_steps": 1500},
    "cvae-gan": {"epochs": 60, "learning_rate": 2e-4, "least_steps": 3000},
    "wgan-gp": {"epochs": 200, "learning_rate": 1e-4, "least_steps": 10_000},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FaceFlowVariant(Variant):
    """A flow of CelebA's portraits, by the code of the flows of photographs; `edit_image` as `FaceVariant` has it.

    Attributes:
        side: tokens a side. crops: none, since all faces stand in the same place.
        options: less guidance than photographs, see docs/faces.md.
    """

    side = 8
    crops = 0
    options: ClassVar[dict[str, Any]] = {"guidance": 1.0}
    edit_image = "cvae.systems.flow.vary:redraw"
    train_options = (AUTOENCODER, INIT)
    task = "cvae.systems.flow.task:FlowTask"
    condition_prompts = "cvae.systems.faces.conditions:condition_prompts"
    open_drawer = "cvae.systems.flow.draw:open_drawer"


def _flow(condition: str) -> FaceFlowVariant:
    return FaceFlowVariant(
        image_size=64,
        condition=condition,
        conditioned_on=_CONDITIONS[condition][0],
        theme="portraits",
        data=DATA,
        **FLOW_DEFAULTS,
        # Editing needs a model that encodes portraits and is conditioned on attributes.
        lacks=("edit",) if condition == "text" else (),
    )


def _variant(model: str, condition: str) -> FaceVariant:
    return FaceVariant(
        image_size=64,
        condition=condition,
        conditioned_on=_CONDITIONS[condition][0],
        theme="portraits",
        data=DATA,
        batch_size=64,
        cost={"cvae": "10 min", "cvae-gan": "27 min", "wgan-gp": "40 to 70 min"}[model]
        + " on 6,000 faces, --width 0.5",
        lacks=("guidance", "steps", *(("edit",) if condition == "text" or model == "wgan-gp" else ())),
        model=model,
        **_CELEBA[model],
    )


SYSTEM = System(
    name="faces",
    about="models that draw a face from a description",
    variants={
        f"celeba-{model}{ending}": _variant(model, condition)
        for condition, (_, ending) in _CONDITIONS.items()
        for model in _CELEBA
    }
    | {f"celeba-flow{ending}": _flow(condition) for condition, (_, ending) in _CONDITIONS.items()},
    models=(
        "cvae.systems.faces.cvae",
        "cvae.systems.faces.cvae_gan",
        "cvae.systems.faces.wgan_gp",
        "cvae.systems.flow.model",
    ),
    commands={
        "generate": "cvae.sampling.generate:generate",
        "evaluate": "cvae.systems.faces.evaluate:evaluate",
        "compare": "cvae.systems.faces.compare:compare",
    },
    prompts="cvae.systems.faces.conditions:PROMPTS",
    image_commands={"edit": ("cvae.systems.faces.edit:edit", "change attributes of a portrait")},
    options={
        "generate": (GUIDANCE, STEPS, CLIP),
        "evaluate": (CLIP,),
        "compare": (
            Option(
                "variants",
                "which to compare, separated by commas (default: the three conditioned on attributes)",
                metavar="NAMES",
            ),
        ),
        "edit": (
            Option("add", "an attribute to add, such as Smiling; can be repeated", action="append", metavar="NAME"),
            Option("remove", "an attribute to take away; can be repeated", action="append", metavar="NAME"),
            Option(
                "described",
                "what the portrait shows (default: a classifier guesses, where the run's data are at hand)",
                metavar="TEXT",
            ),
            CLIP,
        ),
    },
)
