"""The project's prompts, and prompts turned into embeddings."""

import contextlib
import pathlib

import numpy as np

from preprocess.attributes import attributes_of, describe, vector_of
from preprocess.encoders import EncoderProcess
from preprocess.errors import UserError

# Drawn after every epoch of training and shown in the README.
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
# The same for portraits.
PORTRAIT_PROMPTS = (
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


def check_prompts(prompts):
    """Raises a UserError for an empty prompt."""
    if not prompts or not all(prompt.strip() for prompt in prompts):
        raise UserError("a prompt is empty; write what the picture should show.")


@contextlib.contextmanager
def open_encoder(clip_spec, clip, precision):
    """Gives the encoder that a data set was embedded with, in a process of its own; a context manager.

    Args:
        clip_spec: what loads the encoder (see `preprocess.encoders.load_encoder`).
        clip: the `clip` part of the data's manifest, which the encoder must fit.
        precision: of the encoder's arithmetic when it embedded the data.

    Yields:
        A `preprocess.encoders.EncoderProcess`.

    Raises:
        UserError: the encoder is not there or not the data's.
    """
    path = pathlib.Path(str(clip_spec).split(":")[0])
    if path.is_absolute() and not path.exists():
        raise UserError(f"{path} is not there; give --clip the {clip['name']} that embedded the model's data.")
    with EncoderProcess(clip_spec) as encoder:
        if encoder.embedding_dim != clip["embedding_dim"]:
            raise UserError(
                f"{clip_spec} gives {encoder.embedding_dim} numbers, the model's data {clip['embedding_dim']}; "
                f"give --clip the {clip['name']} that embedded its data."
            )
        if encoder.weights_sha256 != clip["weights_sha256"]:
            raise UserError(
                f"{clip_spec} has other weights than the {clip['name']} that embedded the model's data; "
                "give --clip that file."
            )
        encoder.set_precision(precision)
        yield encoder


def encode_prompts(prompts, clip_spec, clip, precision):
    """Embeds prompts with the encoder that a data set was embedded with; see `open_encoder`.

    Returns:
        float32 (n, d), L2-normalised.

    Raises:
        UserError: an empty prompt, or see `open_encoder`.
    """
    check_prompts(prompts)
    with open_encoder(clip_spec, clip, precision) as encoder:
        return encoder.encode_texts(list(prompts))


def condition_prompts(prompts, condition, clip_spec, clip, precision):
    """What a model is told for prompts; see `preprocess.datasets.CONDITIONS` and `encode_prompts`.

    Args:
        prompts: strings. condition: what the model was trained with. The others: see `open_encoder`, which is needed
            for any condition but "attributes".

    Returns:
        float32 (n, c): attributes guessed from the prompts' words, embeddings, or the ones and then the others.

    Raises:
        UserError: see `encode_prompts`.
    """
    check_prompts(prompts)
    parts = []
    if condition in ("attributes", "both"):
        for prompt in prompts:
            if condition == "attributes" and not attributes_of(prompt):
                print(f"note: nothing in '{prompt}' tells of a face; words such as {', '.join(WORDS)} do.")
        parts.append(np.stack([vector_of(prompt) for prompt in prompts]))
    if condition != "attributes":
        parts.append(encode_prompts(prompts, clip_spec, clip, precision))
    return np.concatenate(parts, axis=1)


def condition_attributes(attributes, condition, clip_spec, config):
    """What a model is told of attributes float32 (n, 40): those, with "both" and a sentence's embedding: (n, c).

    Args:
        attributes: zeros and ones. condition: "attributes" or "both".
        clip_spec: what loads the encoder, for "both". config: of the run, see `cvae.runs.read_prompted_config`.

    Raises:
        UserError: see `encode_prompts`.
    """
    if condition == "attributes":
        return attributes
    sentences = [describe(row) for row in attributes]
    texts = encode_prompts(sentences, clip_spec, config["clip"], config["precision"])
    return np.concatenate([attributes, texts], axis=1)
