"""Encoders by name: OpenAI's CLIP, that of photographs, or any class with the same few methods."""

import importlib
import importlib.util
import inspect
import pathlib
import sys
from typing import Any

from preprocess.embedding.clip import ClipWrapper
from preprocess.pasture import PASTURE, PASTURE_CLIP
from preprocess.pasture.encoder import PastureEncoder
from preprocess.photographs.encoder import PhotographEncoder
from preprocess.utils.errors import UserError
from preprocess.utils.files import sha256

# What every encoder has.
MEMBERS = ("name", "embedding_dim", "image_size", "encode_images", "encode_texts")


def load_encoder(spec: str, precision: str | None = None) -> Any:
    """Loads what turns images and texts into embeddings.

    Args:
        spec: a CLIP's name or checkpoint (see `ClipWrapper`), "photographs" or "pasture" for those that come along, or
            another encoder's class as `path/to/file.py:Class` or `package.module:Class`. Its instances have `name`,
            `embedding_dim`, `image_size`, `encode_images` and `encode_texts`, with `ClipWrapper`'s meanings; they may
            have `encode_patches`, which gives float (n, h, w, d) of images' h x w parts, `precision`, and
            `weights_path`, a file whose hash then stands for the encoder in place of its source's. Naming a file runs
            its code.
        precision: of a CLIP's arithmetic, where it is known: measuring takes half a second.

    Raises:
        UserError: nothing of that name, or a class that lacks one of these.
    """
    if spec == "photographs":
        return PhotographEncoder()
    if spec == PASTURE:
        return PastureEncoder()
    location, _, class_name = spec.rpartition(":")
    if spec.endswith(".py"):
        raise UserError(f"{spec} names no class; give --clip {spec}:Class.")
    if not location or pathlib.Path(spec).is_file():
        return ClipWrapper(spec, precision)
    encoder_class = _import_class(location, class_name)
    try:
        inspect.signature(encoder_class).bind()
    except TypeError as error:
        raise UserError(
            f"{spec} cannot be made without arguments ({error}); give its constructor defaults, or name a class "
            "derived from it that has them."
        ) from None
    try:
        encoder = encoder_class()
    except ImportError as error:
        raise UserError(f"{spec} lacks a package ({error}); install it.") from None
    missing = [member for member in MEMBERS if not hasattr(encoder, member)]
    if missing:
        raise UserError(f"{spec} lacks {', '.join(missing)}; an encoder has all of: {', '.join(MEMBERS)}.")
    return encoder


def _import_class(location, class_name):
    try:
        if location.endswith(".py"):
            path = pathlib.Path(location)
            if not path.is_file():
                raise UserError(f"encoder file {location} not found; give --clip path/to/file.py:Class.")
            module_spec: Any = importlib.util.spec_from_file_location(f"encoder_{path.stem}", path)
            module = sys.modules[f"encoder_{path.stem}"] = importlib.util.module_from_spec(module_spec)
            module_spec.loader.exec_module(module)
        else:
            module = importlib.import_module(location)
        return getattr(module, class_name)
    except ImportError as error:
        raise UserError(f"{location} cannot be imported ({error}); give --clip package.module:Class.") from None
    except SyntaxError as error:
        raise UserError(f"{location} is not Python ({error}); fix it or name another file.") from None
    except AttributeError:
        raise UserError(f"{location} has no class {class_name}; give --clip {location}:Class.") from None


def absolute_spec(spec: str) -> str:
    """The spec that means the same from any working folder."""
    if pathlib.Path(spec).resolve() == PASTURE_CLIP.resolve():
        # Wherever the package is next time.
        return PASTURE
    path, colon, class_name = spec.rpartition(":") if ".py:" in spec else (spec, "", "")
    return str(pathlib.Path(path).resolve()) + colon + class_name if pathlib.Path(path).is_file() else spec


def describe_encoder(encoder: Any) -> dict[str, Any]:
    """What a data set's manifest keeps of an encoder, and whether it has patches."""
    source = getattr(encoder, "weights_path", None) or inspect.getsourcefile(type(encoder))
    return {
        # Without its folder, so that data and runs can move.
        "name": pathlib.Path(encoder.name).name if pathlib.Path(encoder.name).is_file() else encoder.name,
        "embedding_dim": encoder.embedding_dim,
        "image_size": encoder.image_size,
        "precision": getattr(encoder, "precision", "float32"),
        "weights_sha256": sha256(str(source)),
        "patches": hasattr(encoder, "encode_patches"),
    }
