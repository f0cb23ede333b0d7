"""Crops of photographs, and of what an encoder says of their parts: more to learn from where photographs are few."""

from typing import Any

import numpy as np

from preprocess.embedding.patches import interpolation


def crop(image: np.ndarray, box: Any, size: int) -> np.ndarray:
    """A square part of an image.

    Args:
        image: uint8 (side, side, 3). box: (left, top, side), each as a part of the image's side. size: pixels.

    Returns:
        uint8 (size, size, 3).
    """
    from PIL import Image

    left, top, side = (len(image) * float(number) for number in box)
    corners = left, top, left + side, top + side
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS, box=corners))


def crop_patches(patches: np.ndarray, box: Any) -> np.ndarray:
    """What the encoder says of that part's own parts, interpolated: float16 (8, 8, d), as the patches themselves."""
    left, top, side = map(float, box)
    rows, columns = (interpolation(len(patches), start, side) for start in (top, left))
    return np.einsum("ih,jw,hwd->ijd", rows, columns, patches.astype(np.float32)).astype(np.float16)
