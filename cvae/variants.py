"""The models that can be trained by name: the rows of the coursework's table."""

import dataclasses

from preprocess.errors import UserError


@dataclasses.dataclass(frozen=True)
class Variant:
    """One row of the table.

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
}


def find_variant(name):
    """The variant of that name.

    Raises:
        UserError: there is none.
    """
    if name not in VARIANTS:
        raise UserError(f"no variant '{name}'; choose one of: {', '.join(VARIANTS)}.")
    return VARIANTS[name]
