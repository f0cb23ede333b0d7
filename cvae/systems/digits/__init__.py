"""Handwritten digits and their labels in one latent space."""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any

from cvae.registry import Option, System, Variant


@dataclasses.dataclass(frozen=True, kw_only=True)
class DigitVariant(Variant):
    """A CLIP-VAE on handwritten digits.

    Attributes:
        width: of `cvae.systems.digits.model.ClipVAE`, for a width of 1. model: its other arguments.
        binarised: share of the training images in black and white, see `cvae.systems.digits.task.digit_batches`.
    """

    width: int
    model: Mapping[str, Any]
    binarised: float
    task = "cvae.systems.digits.task:DigitTask"
    condition_prompts = None


SYSTEM = System(
    name="digits",
    about="a VAE of handwritten digits and one of their labels, joined by CLIP's loss",
    variants={
        "mnist-clip-vae": DigitVariant(
            image_size=28,
            conditioned_on="a label from 0 to 9",
            # MNIST if it is in data/mnist, or else scikit-learn's digits.
            data=None,
            epochs=10,
            batch_size=200,
            learning_rate=2e-3,
            decay=True,
            least_steps=400,
            cost="9 min on MNIST",
            width=64,
            model=types.MappingProxyType(
                {
                    "convolutional": True,
                    "latent_dim": 16,
                    "term_weights": {"contrastive": 250.0, "label_ce": 30.0},
                    "realism": 24.0,
                }
            ),
            binarised=0.2,
        ),
    },
    models=("cvae.systems.digits.model",),
    commands={
        "generate": "cvae.systems.digits.generate:generate",
        "evaluate": "cvae.systems.digits.evaluate:evaluate",
    },
    prompts="cvae.systems.digits.generate:PROMPTS",
    options={
        "generate": (Option("labels", "the digits to draw, such as 3 7", nargs="+", metavar="DIGIT"),),
        "evaluate": (
            Option("published", "phykn/clip-vae's published weights, to measure beside the run", metavar="PT"),
        ),
    },
)
