import importlib.util
import pathlib
import random

import pytest

from preprocess.embedding.tokenizer import BYTES, load_tokenizer
from preprocess.pasture.scenes import captions
from tests.helpers import ROOT

# Of every kind that is treated in its own way: endings, digits, signs, entities, wrong encodings, other scripts.
ODD = [
    *(
        "don't",
        "they're",
        "I'LL",
        "1234",
        "a1b2",
        "...!?",
        "&amp;lt;",
        "â€œquote",
        "ﬁ",
        "naïve",
        "Ärger",
        "漢字",
        "🐑🐑",
    ),
    *("ＦＵＬＬ", "\u200bzero", "x\t\n y", "\x00", "İ", "ſ's", ""),
]


@pytest.fixture(scope="module")
def theirs():
    """OpenAI's own tokenizer."""
    package = importlib.util.find_spec("clip")
    if package is None:
        pytest.skip("CLIP is not installed")
    path = pathlib.Path(package.submodule_search_locations[0]) / "simple_tokenizer.py"
    spec = importlib.util.spec_from_file_location("simple_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SimpleTokenizer()


def texts(count):
    rng = random.Random(0)
    words = [*ODD, *(ROOT / "README.md").read_text(encoding="utf-8").split()]
    for number in range(count):
        if number % 3:
            yield " ".join(rng.choices(words, k=rng.randrange(12)))
        else:
            yield "".join(chr(rng.choice([*range(32, 127), rng.randrange(160, 0xD000)])) for _ in range(20))


def test_tokens_are_those_of_openais_code(theirs):
    own = load_tokenizer()
    for text in texts(3000):
        assert own.encode(text) == theirs.encode(text), text


def test_with_fewer_merges_words_are_cut_smaller_and_numbers_stay(theirs):
    own = load_tokenizer(10_000)
    theirs.bpe_ranks = {pair: rank for pair, rank in theirs.bpe_ranks.items() if rank < 10_000}
    theirs.cache = {}
    for text in texts(300):
        assert own.encode(text) == theirs.encode(text)
    assert max(own.encode("photosynthesis")) < BYTES + 10_000
    assert len(own.encode("photosynthesis")) > len(load_tokenizer().encode("photosynthesis"))


def test_what_names_openais_marks_is_text():
    assert max(load_tokenizer().encode("<|endoftext|> a cow")) < 49406


def test_captions_have_one_token_a_word():
    import numpy as np

    from preprocess.pasture.samples import draw_samples, scene_of

    _, labels = draw_samples(3, 0, 64)
    for row in labels:
        for caption in captions(np.random.default_rng(0), scene_of(row)):
            assert len(load_tokenizer().encode(caption)) <= len(caption.split()) + 3
