"""OpenAI's CLIP itself: loading it, and what its towers say besides embeddings."""

import contextlib
import math
import pathlib
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from preprocess.utils.errors import UserError
from preprocess.utils.types import Tensor

# How the names of OpenAI's models begin.
OPENAIS = ("RN", "ViT-")


def import_torch() -> Any:
    """PyTorch, also after TensorFlow.

    Where TensorFlow came first, Triton's copy of LLVM would end the process (tensorflow/tensorflow#124205). PyTorch
    does without Triton; nothing here compiles with it.
    """
    if "tensorflow" in sys.modules:
        sys.modules.setdefault("triton", None)  # type: ignore[arg-type]
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"OpenAI's CLIP wants PyTorch, which cannot be imported ({error}); run `make clip`, or `pip install "
            "'.[clip]'`, or take an encoder that comes along with --clip photographs or --clip pasture."
        ) from None
    return torch


def import_clip() -> Any:
    """OpenAI's `clip` module, without its warnings.

    Raises:
        UserError: it is not installed, or another module of that name is in its place.
    """
    import_torch()
    with warnings.catch_warnings():
        # The package index's build of CLIP warns that it imports pkg_resources.
        warnings.simplefilter("ignore")
        try:
            import clip
        except ImportError as error:
            raise UserError(f"CLIP cannot be imported ({error}); run `pip install -r requirements.txt`.") from None
    if not all(hasattr(clip, name) for name in ("available_models", "load", "tokenize")):
        raise UserError(
            f"the module clip in {getattr(clip, '__file__', None)} is not OpenAI's; rename it, or run `pip uninstall "
            "clip` and `pip install clip-anytorch`."
        )
    return clip


def load_clip(name: str, device: str) -> tuple[Any, Any, pathlib.Path]:
    """Loads OpenAI's CLIP with `clip.load`.

    Args:
        name: one of `clip.available_models()`, or the path of a checkpoint: a state dict, or OpenAI's TorchScript.
        device: "cpu" or "cuda".

    Returns:
        (model, transform, path of the weights file).

    Raises:
        UserError: no such name or file, not a CLIP, or weights that cannot be downloaded.
    """
    is_file = pathlib.Path(name).is_file()
    unknown = (
        f"no encoder named '{name}', nor a file; give --clip photographs or pasture, which come along, the path of a "
        "checkpoint, path/to/file.py:Class, or one of OpenAI's: "
    )
    if not is_file and not name.startswith(OPENAIS):
        # Nobody should install PyTorch to hear that.
        raise UserError(f"{unknown}such as ViT-B/32.")
    torch, clip = import_torch(), import_clip()
    known = clip.available_models()
    if not is_file and name not in known:
        raise UserError(f"{unknown}{', '.join(known)}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model, transform = clip.load(name, device=device)
            except EOFError:
                # OpenAI's own repository reads a state dict from a file that it has read to the end already.
                state = torch.load(name, map_location="cpu", weights_only=True)
                model = clip.model.build_model(state).to(device)
                model = model.float() if device == "cpu" else model
                transform = clip.clip._transform(model.visual.input_resolution)
    except torch.cuda.OutOfMemoryError:
        raise UserError(f"the GPU has too little free memory for {name}; end what else uses it.") from None
    except Exception as error:
        # PyTorch explains at length; its first sentence is what happened.
        reason = re.split(r"\. |\n", str(error) or type(error).__name__)[0]
        if is_file:
            raise UserError(f"{name} is not a CLIP checkpoint ({reason}); give OpenAI's .pt or a state dict.") from None
        raise UserError(
            f"the weights of {name} cannot be downloaded ({reason}); download them elsewhere and give the file's path, "
            "as in --clip ViT-B-32.pt, or take the encoder that comes along with --clip photographs."
        ) from None
    weights = pathlib.Path(name) if is_file else _downloaded(clip, name)
    return model.eval(), transform, weights


def _downloaded(clip, name):
    return pathlib.Path("~/.cache/clip").expanduser() / pathlib.Path(clip.clip._MODELS[name]).name


def encode_tokens(model: Any, tokens: Tensor) -> Tensor:
    """CLIP's `encode_text`, on no more places than the longest text fills.

    Its attention looks back only, so that what follows a text's end changes nothing; captions fill about 15 of the 77
    places, and cost accordingly.

    Args:
        model: a `clip.model.CLIP`.
        tokens: LongTensor (n, 77).

    Returns:
        Tensor (n, d), not normalised.
    """
    torch = import_torch()
    ends = tokens.argmax(dim=-1)  # the end of a text has the highest number of all tokens
    length = int(ends.max()) + 1
    x = model.token_embedding(tokens[:, :length]).type(model.dtype)
    x = (x + model.positional_embedding[:length].type(model.dtype)).transpose(0, 1)
    for block in model.transformer.resblocks:
        y = block.ln_1(x)
        mask = block.attn_mask[:length, :length].to(y)
        x = x + block.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        x = x + block.mlp(block.ln_2(x))
    x = model.ln_final(x.transpose(0, 1)).type(model.dtype)
    return x[torch.arange(len(x)), ends] @ model.text_projection


@contextlib.contextmanager
def watch_patches(visual: Any) -> Iterator[list[Tensor]]:
    """Notes what an image tower says of images' patches before it pools them, while it encodes images.

    Args:
        visual: of a `clip.model.CLIP`: a vision transformer, or a ResNet.

    Yields:
        A list to which each call adds a Tensor (n, h, w, d).
    """
    noted: list[Tensor] = []

    def note(module, inputs, output):
        if module is getattr(visual, "transformer", None):
            # (1 + h w, n, d), after the token that becomes the image's embedding.
            tokens = output[1:].permute(1, 0, 2)
            side = math.isqrt(tokens.shape[1])
            output = tokens.reshape(len(tokens), side, side, -1)
        else:
            output = output.permute(0, 2, 3, 1)
        noted.append(output.float().cpu())

    layer = visual.transformer if hasattr(visual, "transformer") else visual.layer4
    hook = layer.register_forward_hook(note)
    try:
        yield noted
    finally:
        hook.remove()
