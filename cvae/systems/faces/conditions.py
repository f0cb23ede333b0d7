"""What models of faces are conditioned on: attributes, a sentence's embedding, or both."""

from collections.abc import Callable

import numpy as np

from cvae.registry import Variant
from cvae.runs import Run
from cvae.sampling.prompts import check_prompts
from preprocess.celeba.attributes import attributes_of, describe, vector_of

# Drawn after every epoch of training and for comparisons.
PROMPTS = (
    "a young woman with blond hair, smiling",
    "a young woman with bangs wearing eyeglasses",
    "a young man with black hair and a goatee, smiling, wearing eyeglasses",
    "an old man with gray hair and a receding hairline",
    "an old woman wearing earrings and lipstick",
    "a bald man with a beard",
    "a young woman with wavy brown hair wearing heavy makeup",
    "a young man wearing a hat",
)
# Of a note on prompts that a model of attributes understands nothing of.
WORDS = ("man", "young", "blond hair", "eyeglasses", "smiling")


def condition_prompts(
    prompts: list[str], variant: Variant, encode_texts: Callable[[list[str]], np.ndarray]
) -> np.ndarray:
    """What a model is conditioned on for prompts.

    Args:
        prompts: sentences about faces. variant: the model's.
        encode_texts: embeds texts; not called for models conditioned on attributes alone.

    Returns:
        float32 (n, c): attributes guessed from the prompts' words, embeddings, or the ones and then the others.

    Raises:
        UserError: an empty prompt.
    """
    check_prompts(prompts)
    condition, parts = variant.condition, []
    if condition in ("attributes", "both"):
        for prompt in prompts:
            note_no_attributes(prompt)
        parts.append(np.stack([vector_of(prompt) for prompt in prompts]))
    if condition != "attributes":
        parts.append(encode_texts(list(prompts)))
    return np.concatenate(parts, axis=1)


def note_no_attributes(text: str) -> None:
    """Prints a note where a text says nothing about a face that is understood."""
    if not attributes_of(text):
        print(f"note: no word in '{text}' describes a face; words such as {', '.join(WORDS)} do.")


def condition_attributes(run: Run, attributes: np.ndarray, clip: str | None = None) -> np.ndarray:
    """What a model is conditioned on for attributes float32 (n, 40), 0 or 1 or between: (n, c).

    With "both" that is the attributes and the embedding of a sentence that describes them.

    Raises:
        UserError: see `preprocess.embedding.process.EncoderRecord.open`.
    """
    if run.variant.condition == "attributes":
        return attributes
    texts = run.encode_texts([describe(row - 0.5) for row in attributes], clip)
    return np.concatenate([attributes, texts], axis=1)
