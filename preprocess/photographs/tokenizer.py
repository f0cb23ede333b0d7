"""Texts as tokens: OpenAI's byte pair encoding with fewer merges, and so a smaller vocabulary."""

import re
import warnings
from collections.abc import Sequence

import numpy as np

from preprocess.embedding.tokenizer import BYTES, load_tokenizer

# Merges are kept in the order of how often they were found in text: the first ones make all common words.
MERGES = 10_000
START, END = BYTES + MERGES, BYTES + MERGES + 1
VOCABULARY = BYTES + MERGES + 2
CONTEXT_LENGTH = 24
CUT = f"of texts of more than {CONTEXT_LENGTH - 2} tokens, about as many words, the encoder reads the beginning"
NOT_ENGLISH = "the encoder learned English, and a text without any of its letters means nothing to it"


def tokenize(texts: Sequence[str]) -> np.ndarray:
    """Tokens int32 (n, 24) of texts: a start, the text, an end, and zeros; longer texts are cut.

    Token 0 is an exclamation mark; what lies behind the end is not looked at.
    """
    tokens = np.zeros((len(texts), CONTEXT_LENGTH), np.int32)
    for row, text in zip(tokens, texts):
        found = load_tokenizer(MERGES).encode(text)
        if len(found) > CONTEXT_LENGTH - 2:
            # Once a process, however many captions there are.
            warnings.warn(CUT, stacklevel=1)
        if not re.search("[A-Za-z]", text):
            warnings.warn(NOT_ENGLISH, stacklevel=1)
        found = [START, *found[: CONTEXT_LENGTH - 2], END]
        row[: len(found)] = found
    return tokens
