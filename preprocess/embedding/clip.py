"""OpenAI's CLIP as two functions from lists to unit vectors; PyTorch is imported when a model is loaded."""

import contextlib
import functools
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from preprocess.embedding.clip_model import encode_tokens, import_clip, import_torch, load_clip, watch_patches
from preprocess.shards.images import as_image
from preprocess.utils.types import PathLike

DEFAULT_CLIP = "ViT-B/32"
CONTEXT_LENGTH = 77
BATCH_SIZE = 64
# To be worth its rounding, bfloat16 must be 1.5 times as fast, on a model that takes 0.05 s in float32 for four images
# (ViT-B/32 takes 0.15, the small CLIP of the drawn scenes 0.01), and within 0.01 of float32 in every component.
BFLOAT16_SPEEDUP = 1.5
BFLOAT16_SECONDS = 0.05
BFLOAT16_TOLERANCE = 1e-2


def _normalize(features):
    features = np.asarray(features, np.float32)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


class ClipWrapper:
    """OpenAI's CLIP (Radford et al. 2021, arXiv 2103.00020) as two functions from lists to unit vectors.

    On a GPU it runs in float16, as CLIP does; on a CPU that multiplies bfloat16 in hardware in bfloat16, if that is
    measured faster and agrees with float32 within 1e-2; else in float32. What it returns is float32 always.

    Args:
        name: "ViT-B/32" or another of `clip.available_models()`, or the path of a checkpoint.
        precision: "float32", "bfloat16" or "float16"; measured by default. On a CPU float32 stands in for float16.

    Attributes:
        name: as given. weights_path: the file the weights came from.
        embedding_dim: d, 512 for ViT-B/32. image_size: pixels a side of what the image tower sees.
        precision: the one in use; can be set.

    Raises:
        UserError: see `load_clip`.

    Example:
        >>> wrapper = ClipWrapper("ViT-B/32")
        >>> wrapper.encode_texts(["White sheep on a mountain under blue sky"]).shape
        (1, 512)
    """

    def __init__(self, name=DEFAULT_CLIP, precision=None):
        torch = import_torch()
        self.name = str(name)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model, self._transform, self.weights_path = load_clip(self.name, self.device)
        self.image_size = int(self._model.visual.input_resolution)
        self.embedding_dim = int(self._model.text_projection.shape[1])
        self.precision = precision or self._choose_precision()

    @property
    def precision(self) -> str:
        return self._precision

    @precision.setter
    def precision(self, precision: str) -> None:
        if self.device == "cuda":
            self._model.float()
            if precision == "float16":
                import_clip().model.convert_weights(self._model)
        elif precision == "float16":
            precision = "float32"
        self._precision = precision

    def _choose_precision(self):
        torch = import_torch()

        if self.device == "cuda":
            return "float16"
        if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
            return "float32"
        images = torch.randn(4, 3, self.image_size, self.image_size, generator=torch.Generator().manual_seed(0))
        outputs: dict[str, np.ndarray] = {}
        seconds: dict[str, list[float]] = {"float32": [], "bfloat16": []}
        begun = time.perf_counter()
        # In turns, and the best of them, so that what else the machine does seldom decides.
        while len(seconds["bfloat16"]) < 4 or time.perf_counter() - begun < 0.5:
            for self.precision, times in seconds.items():
                start = time.perf_counter()
                outputs[self.precision] = _normalize(self._run(self._model.encode_image, images))
                times.append(time.perf_counter() - start)
        close = np.abs(outputs["float32"] - outputs["bfloat16"]).max() < BFLOAT16_TOLERANCE
        slow, fast = min(seconds["float32"]), min(seconds["bfloat16"])
        return "bfloat16" if close and slow > max(BFLOAT16_SECONDS, BFLOAT16_SPEEDUP * fast) else "float32"

    def _run(self, function, inputs):
        torch = import_torch()

        bfloat16 = self.precision == "bfloat16"
        autocast = torch.autocast(self.device, torch.bfloat16) if bfloat16 else contextlib.nullcontext()
        with torch.inference_mode(), autocast:
            return function(inputs.to(self.device)).float().cpu().numpy()

    def encode_images(self, images: Sequence[Any], batch_size: int = BATCH_SIZE) -> np.ndarray:
        """Encodes images.

        Args:
            images: a sequence of paths, PIL images, uint8 arrays (height, width, 3) or float arrays in [0, 1], of any
                size; they go through CLIP's own resize, crop and normalisation.
            batch_size: images a forward pass.

        Returns:
            float32 (n, embedding_dim), rows of length 1.

        Raises:
            ValueError: a float image outside [0, 1].
        """
        torch = import_torch()

        parts = [np.zeros((0, self.embedding_dim), np.float32)]
        for start in range(0, len(images), batch_size):
            batch = torch.stack([self._transform(as_image(image)) for image in images[start : start + batch_size]])
            parts.append(_normalize(self._run(self._model.encode_image, batch)))
        return np.concatenate(parts)

    def encode_images_and_patches(self, images: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """As `encode_images`, and what its tower says of h x w patches of each image, float32 (n, h, w, width)."""
        with watch_patches(self._model.visual) as noted:
            embeddings = self.encode_images(images)
        return embeddings, np.concatenate(noted)

    def encode_patches(self, images: Sequence[Any]) -> np.ndarray:
        """What its tower says of h x w patches of each image, float32 (n, h, w, width); 7 x 7 for ViT-B/32."""
        return self.encode_images_and_patches(images)[1]

    def encode_texts(self, texts: Any, batch_size: int = 4 * BATCH_SIZE) -> np.ndarray:
        """Encodes texts; one of more than 77 tokens is cut, with a warning.

        Args:
            texts: a sequence of strings.
            batch_size: texts a forward pass.

        Returns:
            float32 (n, embedding_dim), rows of length 1.
        """
        parts = [np.zeros((0, self.embedding_dim), np.float32)]
        for start in range(0, len(texts), batch_size):
            tokens = self.get_tokens(texts[start : start + batch_size])
            parts.append(_normalize(self._run(functools.partial(encode_tokens, self._model), tokens)))
        return np.concatenate(parts)

    # The coursework's four convenience functions, under their own names.

    def get_tokens(self, texts: Any) -> Any:
        """CLIP's tokens of a string or a list of strings, int (n, 77); longer texts are cut, with a warning."""
        clip = import_clip()
        texts = [texts] if isinstance(texts, str) else list(texts)
        tokens = clip.tokenize(texts, truncate=True)
        # The last place is taken only by texts that fill all 77, of which those cut short lack something.
        for text, row in zip(texts, tokens):
            if row[-1] and _is_too_long(text):
                warnings.warn(f"longer than CLIP's {CONTEXT_LENGTH} tokens, cut: '{text[:60]}...'", stacklevel=2)
        return tokens

    def get_text_encoding(self, text: str) -> np.ndarray:
        """The embedding of one string, float32 (1, d)."""
        return self.encode_texts([text])

    def get_image_encoding_from_filepath(self, path: PathLike) -> np.ndarray:
        """The embedding of an image file, float32 (1, d)."""
        return self.encode_images([path])

    def batch_get_image_encodings(self, images: Sequence[Any]) -> np.ndarray:
        """The embeddings of a batch of images, float32 (n, d); the same as `encode_images`."""
        return self.encode_images(images)


def _is_too_long(text):
    try:
        import_clip().tokenize([text])
    except RuntimeError:
        return True
    return False
