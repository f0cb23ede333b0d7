"""The project's prompts, and prompts turned into embeddings."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cvae.registry import Variant
from preprocess.utils.errors import UserError
from preprocess.utils.load import is_blank

# Drawn for the README and for the comparison of variants.
PROMPTS = (
    "Cow in grass with blue sky",
    "White sheep on a mountain under blue sky",
    "Cows playing in the snow",
    "a horse running on green grass",
    "a dog running through the snow",
    "sunset over mountains",
    "a forest in autumn",
    "farm",
)


def check_prompts(prompts: Sequence[Any]) -> None:
    """Raises a UserError for no prompt, an empty one, or one that is no text."""
    if not prompts:
        raise UserError('give a prompt, in quotes, such as "white sheep in the snow".')
    if not all(isinstance(prompt, str) for prompt in prompts):
        raise UserError('a prompt must be a text, such as "white sheep in the snow".')
    for prompt in prompts:
        try:
            prompt.encode()
        except UnicodeEncodeError:
            remedy = "type it in a terminal that is, as after export LC_ALL=C.UTF-8"
            raise UserError(f"the prompt {prompt[:60]!r} is not text in UTF-8; {remedy}.") from None
    if any(map(is_blank, prompts)):
        raise UserError("a prompt is empty; write what the picture should show.")


def condition_prompts(
    prompts: list[str], variant: Variant, encode_texts: Callable[[list[str]], np.ndarray]
) -> np.ndarray:
    """The conditions of models that are conditioned on texts' embeddings.

    Args:
        prompts: texts. variant: the model's. encode_texts: embeds texts, L2-normalised.

    Returns:
        float32 (n, d).

    Raises:
        UserError: an empty prompt.
    """
    check_prompts(prompts)
    return encode_texts(list(prompts))
