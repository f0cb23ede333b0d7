"""Which captions are bucolic: the coursework's two vocabularies, and words with their inflections."""

import re
from collections.abc import Sequence

from preprocess.utils.errors import UserError

# The two vocabularies of the coursework; and none, which keeps every captioned image.
THEMES = {
    "small": ("cow", "sheep"),
    "large": (
        "cow",
        "sheep",
        "mountain",
        "hill",
        "countryside",
        "grass",
        "forest",
        "nature",
        "farm",
        "alpaca",
        "horse",
        "landscape",
        "fence",
    ),
    "all": (),
}

_PLURAL = r"s|es|'s|s'"
# Endings of words of four letters and more: the adjective ("hilly", "grassy"), the participle ("forested") and the
# landscape compounds ("hillside", "farmland"). Shorter words would become others: "many", "cowed", "caring".
_LONGER = r"y|ed|ing|lands?|sides?|tops?"
_OF_A_WORD = {
    "farm": r"ers?|houses?|yards?",
    "mountain": r"ous|eers?",
    "horse": r"back|men|man|women|woman",
    "hill": r"ocks?",
    "cow": r"sheds?",
}
_IRREGULAR = {"calf": "calves", "goose": "geese", "ox": "oxen", "wolf": "wolves", "leaf": "leaves", "man": "men"}


def _inflections(word):
    """Regular expressions for one lower-case word or phrase and its inflections."""
    stem = r"\s+".join(re.escape(part) for part in word.split())
    endings = [_PLURAL]
    if len(word) >= 4:
        endings.append(_LONGER)
    if word in _OF_A_WORD:
        endings.append(_OF_A_WORD[word])
    forms = [f"{stem}(?:{'|'.join(endings)})?"]
    if word == "hill":
        forms.append("foothills?")
    if word.endswith("y"):
        forms.append(stem[:-1] + "ies")
    if word.endswith("e"):
        forms += [stem + "d", stem[:-1] + "ing"]
    if word in _IRREGULAR:
        forms.append(_IRREGULAR[word])
    return forms


def word_pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Compiles a pattern that finds any of `words` as a whole word with its inflections, ignoring case; of none, all.

    "hill" finds hills, hilly and hillside, but not chill; "cow" finds cows, but not cowboy.

    Raises:
        UserError: a word has no letter or digit.
    """
    if not words:
        return re.compile("")
    forms = []
    for word in words:
        if not re.search(r"\w", word):
            raise UserError(f"'{word}' is not a word to look for; give --words such as goat or 'hay bale'.")
        forms += _inflections(" ".join(word.lower().split()))
    return re.compile(r"(?<![\w-])(?:" + "|".join(forms) + r")(?!\w)", re.IGNORECASE)


def theme_words(theme: str, words: Sequence[str] = ()) -> tuple[str, ...]:
    """The words of a theme ("small", "large" or "all") and the user's own after them, without repetition.

    Raises:
        UserError: no such theme, or words of one's own for the theme that keeps all.
    """
    if theme not in THEMES:
        raise UserError(f"no theme '{theme}'; choose one of: {', '.join(THEMES)}.")
    if words and not THEMES[theme]:
        raise UserError(f"the theme {theme} keeps every image; leave out --words, or choose another theme.")
    return tuple(dict.fromkeys([*THEMES[theme], *(word.lower() for word in words)]))
