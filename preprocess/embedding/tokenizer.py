"""OpenAI's byte pair encoding, the tokens that CLIP's text side reads (Sennrich et al. 2016, arXiv 1508.07909)."""

import functools
import html
import itertools
import pathlib
import re

import ftfy
import regex

from preprocess.utils.load import gunzip, read_bytes

# Pairs in the order in which they are merged, the most frequent first; OpenAI's, see the licence beside it.
MERGES = pathlib.Path(__file__).with_name("merges.txt.gz")
# Bytes, and bytes that end a word, have the first numbers; then come merges.
BYTES, END = 512, "</w>"
# The file has 0.6 MB.
MOST = 10**6
# Of which the parts are kept; a language's frequent ones.
WORDS_KEPT = 50_000
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


class Tokenizer:
    """Splits texts into tokens.

    Args:
        merges: how many of the pairs count, the first ones, which make all common words; None for all 48,894.
    """

    def __init__(self, merges: int | None = None) -> None:
        lines = gunzip(read_bytes(MERGES, "install the package again"), MERGES, MOST, "install the package again")
        pairs = [tuple(line.split()) for line in lines.decode().split("\n")]
        self._ranks = {pair: rank for rank, pair in enumerate(pairs[:merges])}
        self._letters = _letters_of_bytes()
        parts = [*self._letters.values(), *(letter + END for letter in self._letters.values()), *map("".join, pairs)]
        self._numbers = {part: number for number, part in enumerate(parts)}
        self._words = regex.compile(WORDS, regex.IGNORECASE)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, without a start or an end."""
        text = html.unescape(html.unescape(ftfy.fix_text(text)))
        text = re.sub(r"\s+", " ", text).strip().lower()
        words = ("".join(self._letters[byte] for byte in word.encode()) for word in self._words.findall(text))
        return [self._numbers[part] for word in words for part in self._split(word)]

    @functools.lru_cache(WORDS_KEPT)  # noqa: B019 a tokenizer is kept for good
    def _split(self, word: str) -> tuple[str, ...]:
        """A word in the parts that are left when all pairs that can be merged are, the most frequent first."""
        parts = [*word[:-1], word[-1] + END]
        while pairs := [pair for pair in itertools.pairwise(parts) if pair in self._ranks]:
            one, other = min(pairs, key=self._ranks.__getitem__)
            merged, place = [], 0
            while place < len(parts):
                found = parts[place : place + 2] == [one, other]
                merged.append(one + other if found else parts[place])
                place += 2 if found else 1
            parts = merged
        return tuple(parts)


def _letters_of_bytes():
    """A letter for each byte, as GPT-2 has them: those that print are their own, others take letters from 256 on."""
    printing = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printing]
    letters = {byte: chr(byte) for byte in printing} | {byte: chr(256 + place) for place, byte in enumerate(others)}
    return letters


@functools.cache
def load_tokenizer(merges: int | None = None) -> Tokenizer:
    """The `Tokenizer` of so many merges, made once."""
    return Tokenizer(merges)
