"""Which captioned photographs a theme keeps, and what is told of those that it drops."""

import hashlib
import heapq
from collections.abc import Sequence
from typing import Any

from preprocess.coco.themes import THEMES, word_pattern

# Captions of dropped images that are shown.
EXAMPLES = 3


class Tally:
    """Keeps photographs with a caption that holds one of some words; without any words, all.

    It remembers counts alone, so that millions can pass.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.pattern = word_pattern(words)
        self.themes = {theme: word_pattern(of_theme) for theme, of_theme in THEMES.items()}
        self.would_keep = dict.fromkeys(THEMES, 0)
        self.kept = self.dropped = 0
        self.found: dict[str, Any] = {word: word_pattern([word]) for word in words}
        self.examples: list[tuple[int, str]] = []

    def keeps(self, captions: Sequence[str]) -> bool:
        """Whether a photograph of these captions is kept; each is to be asked for once."""
        for theme, pattern in self.themes.items():
            self.would_keep[theme] += any(map(pattern.search, captions))
        if not any(map(self.pattern.search, captions)):
            self.dropped += 1
            self._show(captions[0])
            return False
        self.kept += 1
        for word in [word for word, pattern in self.found.items() if any(map(pattern.search, captions))]:
            del self.found[word]
        return True

    def _show(self, caption):
        """Takes a caption for an example by its hash, so that they are from all over, whatever the order."""
        score = -int.from_bytes(hashlib.sha256(caption.encode(errors="surrogatepass")).digest()[:8], "big")
        if (score, caption) in self.examples:
            return
        if len(self.examples) < EXAMPLES:
            heapq.heappush(self.examples, (score, caption))
        else:
            heapq.heappushpop(self.examples, (score, caption))

    def describe(self) -> dict[str, Any]:
        """What the manifest tells of the choice."""
        return {
            "dropped": self.dropped,
            "examples": [caption for _, caption in sorted(self.examples, reverse=True)],
            "would_keep": self.would_keep,
            "unmatched": list(self.found),
        }
