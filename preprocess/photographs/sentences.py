"""Sentences to learn a text encoder from: captions, captions with other words in them, and phrases and templates."""

import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np

from preprocess.utils.errors import UserError
from preprocess.utils.types import PathLike

# WordNet's files of nouns and adjectives, and the lexicographers' files whose nouns can be seen: animals, things, body,
# food, places, nature, people, weather, plants, substances.
NOUNS, ADJECTIVES = "data.noun", "data.adj"
SEEN = (5, 6, 8, 13, 15, 17, 18, 19, 20, 27)
# Half of WordNet's words that can be seen are animals, plants and nature, so that those are well known.
NATURE = (5, 17, 19, 20)

COUNTS = ("a", "one", "two", "three", "some", "several", "many", "a group of", "a herd of", "a pair of", "a lone")
COLOURS = (
    "white", "black", "brown", "grey", "red", "golden", "spotted", "black and white", "brown and white", "dark", "pale",
)  # fmt: skip
ANIMALS = (
    "sheep", "ewe", "lamb", "ram", "flock of sheep", "cow", "calf", "bull", "cattle", "dairy cow", "horse", "foal",
    "mare", "pony", "stallion", "goat", "kid goat", "dog", "donkey", "alpaca", "llama", "deer", "bird", "duck", "pig",
)  # fmt: skip
ACTIONS = (
    "standing", "grazing", "eating grass", "lying down", "resting", "sleeping", "walking", "running", "galloping",
    "playing", "jumping", "looking at the camera", "drinking", "seen from behind",
)  # fmt: skip
GROUNDS = (
    "on green grass", "in a meadow", "in a green field", "in a pasture", "on dry grass", "in the snow", "on a hill",
    "on a mountain", "on rocks", "by a lake", "on a beach", "in a forest", "among flowers", "on a farm", "by a barn",
    "behind a fence", "on a road", "in the mud", "in tall grass", "in autumn leaves",
)  # fmt: skip
BACKGROUNDS = (
    "in front of trees", "in front of mountains", "with mountains behind", "near a fence", "with a forest behind",
    "in front of a house", "beside a river", "with hills in the distance",
)  # fmt: skip
SKIES = (
    "under a blue sky", "under a cloudy sky", "under a grey sky", "at sunset", "at sunrise", "at night", "in the fog",
    "in the rain", "on a sunny day", "in winter", "in summer", "in autumn", "in spring", "in the evening sun",
)  # fmt: skip
SCENES = (
    "a meadow", "a field with nobody in it", "an empty pasture", "snowy mountains", "a mountain lake", "a forest",
    "a farm", "rolling hills", "a countryside road", "a river", "a waterfall", "the sea", "a cliff", "a valley",
    "a field of flowers", "a wheat field", "an orchard", "a garden", "a village", "a glacier", "a desert", "a jungle",
)  # fmt: skip
FRAMES = (
    "{}", "a photo of {}", "a photograph of {}", "a picture of {}", "{}.", "a close-up of {}", "a blurry photo of {}",
    "there is {} here", "{} in the wild", "an image that shows {}", "beautiful {}",
)  # fmt: skip


def read_words(folder: PathLike) -> tuple[list[str], list[str], list[str]]:
    """WordNet's words: (nouns of nature that can be seen, other nouns that can be seen, adjectives).

    Raises:
        UserError: the folder has not WordNet's files, such as /usr/share/wordnet of Debian's wordnet-base.
    """

    def words(name, files):
        path = pathlib.Path(folder) / name
        if not path.is_file():
            raise UserError(f"{path} is not there; name WordNet's folder, such as Debian's /usr/share/wordnet.")
        found: dict[str, None] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            parts = line.split()
            if line.startswith(" ") or (files and int(parts[1]) not in files):
                continue
            for word in parts[4 : 4 + 2 * int(parts[3], 16) : 2]:
                word = re.sub(r"\(.*\)", "", word).replace("_", " ")
                if word.islower() and len(word.split()) < 3:
                    found[word] = None
        return list(found)

    others = tuple(number for number in SEEN if number not in NATURE)
    return words(NOUNS, NATURE), words(NOUNS, others), words(ADJECTIVES, ())


def make_sentences(captions: Sequence[str], wordnet: PathLike, count: int, seed: int = 0) -> Iterator[str]:
    """Yields `count` sentences: a third captions changed in a word or two, a third templates, a third phrases."""
    rng = np.random.default_rng(seed)
    nature, others, adjectives = read_words(wordnet)

    def one(choices):
        return choices[rng.integers(len(choices))]

    def noun():
        return one(nature) if rng.random() < 0.5 else one(others)

    def changed():
        words = one(captions).split()
        for _ in range(rng.integers(1, 3)):
            place = rng.integers(len(words))
            if len(words[place]) > 3:
                words[place] = one(adjectives) if rng.random() < 0.2 else noun()
        return " ".join(words)

    def template():
        if rng.random() < 0.25:
            return " ".join([one(SCENES), *([one(SKIES)] if rng.random() < 0.7 else [])])
        parts = [one(COUNTS), *([one(COLOURS)] if rng.random() < 0.6 else []), one(ANIMALS)]
        for choices, share in ((ACTIONS, 0.5), (GROUNDS, 0.7), (BACKGROUNDS, 0.25), (SKIES, 0.4)):
            parts += [one(choices)] if rng.random() < share else []
        return " ".join(parts)

    def phrase():
        adjective = [one(adjectives) if rng.random() < 0.5 else one(COLOURS)] if rng.random() < 0.5 else []
        words = " ".join([*(["a"] if rng.random() < 0.7 else []), *adjective, noun()])
        return words + (f" {one(GROUNDS)}" if rng.random() < 0.3 else "")

    for number in range(count):
        text = (changed, template, phrase)[number % 3]()
        yield one(FRAMES).format(text) if rng.random() < 0.5 else text
