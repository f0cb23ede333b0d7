"""What models of faces are conditioned on: attributes, a sentence's embedding, or both."""

from typing import Any

import numpy as np

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


def condition_prompts(run: Run, prompts: list[str], clip: str | None = None) -> np.ndarray:
    """What a model is conditioned on for prompts.

    Args:
        run: the run. prompts: sentences about faces.
        clip: the encoder, if it has moved; not needed by models conditioned on attributes alone.

    Returns:
        float32 (n, c): attributes guessed from the prompts' words, embeddings, or the ones and then the others.

    Raises:
        UserError: an empty prompt, or see `preprocess.embedding.encoders.EncoderRecord.open`.
    """
    check_prompts(prompts)
    condition, parts = run.variant.condition, []
    if condition in ("attributes", "both"):
        for prompt in prompts:
            if condition == "attributes" and not attributes_of(prompt):
                print(f"note: no word in '{prompt}' describes a face; words such as {', '.join(WORDS)} do.")
        parts.append(np.stack([vector_of(prompt) for prompt in prompts]))
    if condition != "attributes":
        parts.append(_encode(run, prompts, clip))
    return np.concatenate(parts, axis=1)


def condition_attributes(run: Run, attributes: np.ndarray, clip: str | None = None) -> np.ndarray:
    """What a model is conditioned on for attributes float32 (n, 40) of 0 and 1: (n, c).

    With "both" that is the attributes and the embedding of a sentence that describes them.

    Raises:
        UserError: see `condition_prompts`.
    """
    if run.variant.condition == "attributes":
        return attributes
    texts = _encode(run, [describe(row) for row in attributes], clip)
    return np.concatenate([attributes, texts], axis=1)


def _encode(run: Run, texts: list[str], clip: str | None) -> Any:
    with run.encoder.open(clip) as encoder:
        return encoder.encode_texts(texts)
