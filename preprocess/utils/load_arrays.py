"""The one way in which `.npz` files are read, as `preprocess.utils.load` reads others."""

import io
from collections.abc import Mapping

import numpy as np

from preprocess.utils.errors import UserError, first_line
from preprocess.utils.load import read_bytes
from preprocess.utils.types import PathLike


def read_arrays(path: PathLike, dimensions: Mapping[str, int], remedy: str) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file; nothing is unpickled.

    Args:
        path: the file. dimensions: {name: how many dimensions it has} of arrays that must be there. remedy: see
            `read_bytes`.

    Raises:
        UserError: the file is not there or damaged, lacks an array, has another shape, or numbers that are not finite.
    """
    data = read_bytes(path, remedy)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    # A full memory comes of a damaged header too.
    except Exception as error:
        raise UserError(f"{path} is damaged ({first_line(error)}); {remedy}.") from None
    for name, count in dimensions.items():
        if name not in arrays or arrays[name].ndim != count:
            found = f"{arrays[name].ndim} dimensions in" if name in arrays else "no"
            raise UserError(f"{path} is damaged ({found} {name}); {remedy}.")
        if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
            raise UserError(f"{path} is damaged (numbers that are not finite in {name}); {remedy}.")
    return arrays
