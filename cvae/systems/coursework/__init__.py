"""The coursework's CLIP-conditioned VAE of bucolic photographs."""

import dataclasses

from cvae.registry import Option, System, Variant
from cvae.sampling.options import BEST_OF, CLIP

DATA = "data/bucolic/embedded"
PRIOR = Option(
    "prior",
    "latent prior: gaussian (default), or flow, which draws the latents that go with a prompt (learned the first time "
    "it is asked for, some minutes)",
    choices=("gaussian", "flow"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CourseworkVariant(Variant):
    """A row of the coursework's table.

    Attributes:
        dropout: rate on the latent.
    """

    dropout: float
    task = "cvae.systems.coursework.task:CourseworkTask"
    open_drawer = "cvae.systems.coursework.latent_prior:open_drawer"


def _variant(
    size: int, condition: str, dropout: float = 0.3, theme: str | None = None, cost: str = ""
) -> CourseworkVariant:
    """A variant of 64 or 128 px, trained with the CLIP embedding of the "image" or of its "text"."""
    what = {"image": "the image's CLIP embedding", "text": "a caption's CLIP embedding"}[condition]
    rate = {0.3: "", 0.0: ", no dropout"}.get(dropout, f", dropout {dropout:g}")
    return CourseworkVariant(
        image_size=size,
        condition=condition,
        conditioned_on=what + rate + (", large theme" if theme else ""),
        theme=theme,
        dropout=dropout,
        data=DATA,
        least_steps=1500,
        cost=cost,
    )


SYSTEM = System(
    name="coursework",
    about="the coursework's CLIP-conditioned VAE of bucolic photographs",
    variants={
        "64-image": _variant(64, "image", cost="3.5 min on 1,800 drawn scenes as `make demo` trains it"),
        "64-text": _variant(64, "text"),
        "128-image": _variant(128, "image"),
        "128-text": _variant(128, "text"),
        "64-image-no-dropout": _variant(64, "image", dropout=0.0),
        "64-text-no-dropout": _variant(64, "text", dropout=0.0),
        "128-image-no-dropout": _variant(128, "image", dropout=0.0),
        "128-text-no-dropout": _variant(128, "text", dropout=0.0),
        "128-image-large": _variant(128, "image", theme="large"),
    },
    models=("cvae.systems.coursework.model", "cvae.nn.rectified_flow"),
    commands={
        "generate": "cvae.sampling.generate:generate",
        "evaluate": "cvae.evaluation.photos:evaluate",
        "nearest": "cvae.evaluation.nearest:nearest",
        "compare": "cvae.systems.coursework.compare:compare",
    },
    options={
        "generate": (PRIOR, BEST_OF, CLIP),
        "evaluate": (CLIP,),
        "nearest": (CLIP,),
        "compare": (
            Option("large_data", "embedded shards of the large theme, for the table's last row", metavar="DATA"),
        ),
    },
)
