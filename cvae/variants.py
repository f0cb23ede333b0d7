"""The models that can be trained by name: the rows of the coursework's table, and the other systems' models."""

import dataclasses
import difflib
import types

from preprocess.errors import UserError


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row of the coursework's table: its CVAE on photographs.

    Attributes:
        image_size: 64 or 128 pixels.
        condition: "image" or "text": which CLIP embedding the model is trained with.
        dropout: rate on the latent.
        theme: the theme of photographs it is meant for, None for any.
    """

    image_size: int
    condition: str
    dropout: float = 0.3
    theme: str | None = None
    system = "photos"
    data = "data/bucolic/embedded"
    # Of latents: a Gaussian, or a flow (see `cvae.learned_prior`).
    priors = ("flow",)
    settings = types.MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class PortraitVariant:
    """A model of CelebA's portraits.

    Attributes:
        model: "cvae", "cvae-gan" or "wgan-gp".
        condition: "attributes", "text" or "both": what the model is told.
        settings: what differs from the defaults of `cvae.training.Settings`.
    """

    model: str
    condition: str
    settings: dict
    image_size = 64
    theme = "portraits"
    system = "portraits"
    priors = ()
    data = "data/celeba/embedded"


@dataclasses.dataclass(frozen=True)
class DigitVariant:
    """A CLIP-VAE on handwritten digits.

    Attributes:
        width: of `cvae.clip_vae.ClipVAE`, for a width of 1. model: its other arguments.
        binarised: share of the training images in black and white, see `cvae.digit_task.digit_batches`.
        settings: what differs from the defaults of `cvae.training.Settings`.
    """

    width: int
    model: dict
    binarised: float
    settings: dict
    system = "digits"
    priors = ()
    # MNIST where it lies in data/mnist, or else scikit-learn's digits.
    data = None


@dataclasses.dataclass(frozen=True)
class AutoencoderVariant:
    """A `cvae.spatial_vae.SpatialVAE` of photographs, the first stage of a `FlowVariant`."""

    image_size: int
    theme = None
    condition = "image"
    system = "autoencoder"
    priors = ()
    data = Variant.data
    # Small batches: after as long a training, 2.5 minutes on a core, reconstructions have a CMMD of 3.1 to photographs
    # with batches of 32, 2.6 with 16, 2.3 with 8 and 2.1 with 4; but the smaller, the idler is a GPU.
    settings = types.MappingProxyType({"epochs": 25, "batch_size": 8, "learning_rate": 1e-3, "decay": True})


@dataclasses.dataclass(frozen=True)
class FlowVariant:
    """A `cvae.latent_flow.LatentFlow` of photographs.

    Attributes:
        autoencoder: the name of the `AutoencoderVariant` whose latents it learns, and which is trained first, for as
            many epochs.
    """

    image_size: int
    autoencoder: str
    theme = None
    condition = "image"
    system = "flow"
    # From texts to images: see `cvae.embedding_prior`, and `cvae.learned_prior` for the last.
    priors = ("none", "mean", "ridge", "gaussian", "flow")
    data = Variant.data
    settings = types.MappingProxyType({"epochs": 100, "batch_size": 64, "learning_rate": 1e-3, "decay": True})


_PORTRAIT_SETTINGS = {
    "cvae": {"epochs": 60, "batch_size": 64, "decay": True},
    "cvae-gan": {"epochs": 60, "batch_size": 64, "learning_rate": 2e-4},
    "wgan-gp": {"epochs": 200, "batch_size": 64, "learning_rate": 1e-4},
}
_PORTRAITS = {
    f"celeba-{model}{ending}": PortraitVariant(model, condition, settings)
    for ending, condition in (("", "attributes"), ("-text", "text"), ("-both", "both"))
    for model, settings in _PORTRAIT_SETTINGS.items()
}
VARIANTS = {
    "64-image": Variant(64, "image"),
    "64-text": Variant(64, "text"),
    "128-image": Variant(128, "image"),
    "128-text": Variant(128, "text"),
    "64-image-no-dropout": Variant(64, "image", dropout=0.0),
    "64-text-no-dropout": Variant(64, "text", dropout=0.0),
    "128-image-no-dropout": Variant(128, "image", dropout=0.0),
    "128-text-no-dropout": Variant(128, "text", dropout=0.0),
    "128-image-large": Variant(128, "image", theme="large"),
    "64-autoencoder": AutoencoderVariant(64),
    "128-autoencoder": AutoencoderVariant(128),
    "64-flow": FlowVariant(64, "64-autoencoder"),
    "128-flow": FlowVariant(128, "128-autoencoder"),
    **_PORTRAITS,
    "mnist-clip-vae": DigitVariant(
        64,
        {
            "convolutional": True,
            "latent_dim": 16,
            "term_weights": {"contrastive": 250.0, "label_ce": 30.0},
            "realism": 24.0,
        },
        0.2,
        {"epochs": 10, "batch_size": 200, "learning_rate": 2e-3, "decay": True},
    ),
}
FLOWS = " or ".join(name for name, variant in VARIANTS.items() if isinstance(variant, FlowVariant))


def find_variant(name):
    """The variant of that name.

    Raises:
        UserError: there is none.
    """
    if name not in VARIANTS:
        near = difflib.get_close_matches(name, VARIANTS, n=1)
        hint = f"did you mean {near[0]}, or another" if near else "choose one"
        raise UserError(f"no variant '{name}'; {hint} of: {', '.join(VARIANTS)}.")
    return VARIANTS[name]


def choose_portraits(text):
    """The variants of portraits that a text such as "celeba-cvae, celeba-wgan-gp" names.

    Raises:
        UserError: it names none, or one that is not there.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UserError(f"no variant is named; choose some of: {', '.join(_PORTRAITS)}.")
    if others := [name for name in names if name not in _PORTRAITS]:
        raise UserError(f"'{others[0]}' is no variant of portraits; choose some of: {', '.join(_PORTRAITS)}.")
    return names
