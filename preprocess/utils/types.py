"""Names for types that many signatures have."""

import pathlib
from typing import Any, TypeAlias

PathLike: TypeAlias = str | pathlib.Path
# A tensor of Keras' backend, or an array that becomes one.
Tensor: TypeAlias = Any
