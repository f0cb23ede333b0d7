"""Encoders by name: OpenAI's CLIP or any class with the same few methods, in a process of its own."""

import concurrent.futures
import importlib
import importlib.util
import inspect
import multiprocessing
import pathlib
import sys

from preprocess.errors import UserError
from preprocess.files import sha256


def load_encoder(spec):
    """Loads what turns images and texts into embeddings.

    Args:
        spec: a CLIP's name or checkpoint (see `clip_wrapper.ClipWrapper`), or another encoder's class as
            `path/to/file.py:Class` or `package.module:Class`. Its instances have `name`, `embedding_dim`, `image_size`,
            `encode_images` and `encode_texts`, with `ClipWrapper`'s meanings. Naming a file runs its code.

    Raises:
        UserError: nothing of that name, or a class that lacks one of these.
    """
    location, _, class_name = spec.rpartition(":")
    if not location or pathlib.Path(spec).is_file():
        from clip_wrapper import ClipWrapper

        return ClipWrapper(spec)
    encoder = _import_class(location, class_name)()
    missing = [
        n for n in ("name", "embedding_dim", "image_size", "encode_images", "encode_texts") if not hasattr(encoder, n)
    ]
    if missing:
        raise UserError(f"{spec} lacks {', '.join(missing)}; an encoder needs all that ClipWrapper has of these.")
    return encoder


def _import_class(location, class_name):
    try:
        if location.endswith(".py"):
            path = pathlib.Path(location)
            if not path.is_file():
                raise UserError(f"encoder file {location} not found; give --clip path/to/file.py:Class.")
            module_spec = importlib.util.spec_from_file_location(path.stem, path)
            module = sys.modules[path.stem] = importlib.util.module_from_spec(module_spec)
            module_spec.loader.exec_module(module)
        else:
            module = importlib.import_module(location)
        return getattr(module, class_name)
    except ImportError as error:
        raise UserError(f"{location} cannot be imported ({error}); give --clip package.module:Class.") from None
    except AttributeError:
        raise UserError(f"{location} has no class {class_name}; give --clip {location}:Class.") from None


def absolute_spec(spec):
    """The spec that means the same from any working folder."""
    path, colon, class_name = spec.rpartition(":") if ".py:" in spec else (spec, "", "")
    return str(pathlib.Path(path).resolve()) + colon + class_name if pathlib.Path(path).is_file() else spec


# What runs in an `EncoderProcess`, on the one encoder that it holds.
_encoder = None


def _start(spec):
    global _encoder
    _encoder = load_encoder(spec)
    source = getattr(_encoder, "weights_path", None) or inspect.getsourcefile(type(_encoder))
    return {
        "name": _encoder.name,
        "embedding_dim": _encoder.embedding_dim,
        "image_size": _encoder.image_size,
        "precision": getattr(_encoder, "precision", "float32"),
        "weights_sha256": sha256(source),
    }


def _call(method, values):
    return getattr(_encoder, method)(values)


def _set_precision(precision):
    if hasattr(_encoder, "precision"):
        _encoder.precision = precision


class EncoderProcess:
    """An encoder in a process of its own; a context manager.

    PyTorch there and TensorFlow here then share neither the GPU nor, what can crash either, one address space.

    Args:
        spec: see `load_encoder`.

    Attributes:
        spec: as given, from any working folder. weights_sha256: the hash of the weights file, or of the class's source
            file. name, embedding_dim, image_size, precision: the encoder's.

    Raises:
        UserError: see `load_encoder`.
    """

    def __init__(self, spec):
        self.spec = absolute_spec(spec)
        context = multiprocessing.get_context("spawn")
        self._pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
        try:
            vars(self).update(self._pool.submit(_start, self.spec).result())
        except BaseException:
            self._pool.shutdown()
            raise

    def set_precision(self, precision):
        self.precision = precision
        self._pool.submit(_set_precision, precision).result()

    def encode_images(self, images):
        return self._pool.submit(_call, "encode_images", images).result()

    def encode_texts(self, texts):
        return self._pool.submit(_call, "encode_texts", texts).result()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._pool.shutdown()
