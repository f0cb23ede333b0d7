"""The one way in which files of arrays are read, as `preprocess.utils.load` reads others."""

import collections
import io
import math
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any, ClassVar

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


def map_array(path: PathLike, shape: tuple[int, ...], remedy: str) -> np.ndarray:
    """The array of a `.npy` file, mapped into memory and only read from the disk where it is used.

    Args:
        path: the file. shape: the array's. remedy: see `read_bytes`.

    Raises:
        UserError: the file is not there or damaged, or has another shape.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is damaged ({first_line(error)}); {remedy}.") from None
    if not isinstance(array, np.memmap) or array.shape != shape:
        raise UserError(f"{path} is damaged (an array of another shape); {remedy}.")
    return array


def read_state_dict(path: PathLike, remedy: str) -> dict[str, np.ndarray]:
    """The tensors of a PyTorch file by name, float32, without PyTorch; nothing else in the file is called.

    Args:
        path: the file, a zip as `torch.save` writes it. remedy: see `read_bytes`.

    Raises:
        UserError: it is not there, damaged, or holds something else than tensors.
    """
    data = read_bytes(path, remedy)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            [index] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            state = _Tensors(archive, index).load()
        return {name: np.asarray(tensor, np.float32) for name, tensor in state.items()}
    except MemoryError:
        raise
    # A damaged file makes pickle and zipfile raise nearly anything.
    except Exception as error:
        raise UserError(f"{path} is damaged ({first_line(error)}); {remedy}.") from None


class _Tensors(pickle.Unpickler):
    """Reads what `torch.save` writes of tensors: of all names that a pickle can call, these four kinds alone."""

    KINDS: ClassVar = {"HalfStorage": np.float16, "FloatStorage": np.float32, "LongStorage": np.int64}

    def __init__(self, archive: zipfile.ZipFile, index: str) -> None:
        super().__init__(io.BytesIO(archive.read(index)))
        self.archive, self.folder = archive, index.removesuffix("data.pkl")

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in self.KINDS:
            return self.KINDS[name]
        raise pickle.UnpicklingError(f"it holds a {name}, which is no tensor")

    def persistent_load(self, saved: Any) -> np.ndarray:
        _, kind, key, *_ = saved
        return np.frombuffer(self.archive.read(f"{self.folder}data/{key}"), kind)


def _tensor(storage: Any, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *rest: Any) -> np.ndarray:
    if any(size > 1 and step != math.prod(shape[place + 1 :]) for place, (size, step) in enumerate(zip(shape, stride))):
        raise pickle.UnpicklingError("it holds a tensor whose numbers are in another order")
    return storage[offset : offset + math.prod(shape)].reshape(shape)
