import re

import pytest

from preprocess.photographs.sentences import ANIMALS, make_sentences, read_words
from preprocess.utils.errors import UserError

HEADER = "  1 This software and database is being provided to you under the following license\n"


@pytest.fixture
def wordnet(tmp_path):
    """Lines as WordNet has them: offset, lexicographer's file, kind, words in hex, each with a number."""
    nouns = [
        "02411705 05 n 02 sheep 0 Ovis_aries 0 001 @ 02411206 n 0000 | woolly ruminant",
        "02430045 05 n 02 ewe 0 mountain_goat 0 000 | ...",
        "04379243 06 n 01 table 0 000 | furniture",
        "05833840 09 n 01 idea 0 000 | a thought",
    ]
    (tmp_path / "data.noun").write_text(HEADER + "\n".join(nouns) + "\n")
    (tmp_path / "data.adj").write_text(HEADER + "00013887 00 a 02 foggy 0 misty(p) 0 000 | with fog\n")
    return tmp_path


def test_words_that_can_be_seen(wordnet):
    nature, others, adjectives = read_words(wordnet)
    assert nature == ["sheep", "ewe", "mountain goat"]  # a name and a thought are none
    assert others == ["table"] and adjectives == ["foggy", "misty"]


def test_sentences_of_all_three_kinds_the_same_for_a_seed(wordnet):
    captions = ["a brown cow in a field", "two horses on a beach"]
    sentences = list(make_sentences(captions, wordnet, 600))
    assert sentences == list(make_sentences(captions, wordnet, 600)) and len(set(sentences)) > 400
    assert sentences != list(make_sentences(captions, wordnet, 600, seed=1))
    text = " ".join(sentences)
    assert all(word in text for word in ("ewe", "mountain goat", "foggy", "a photo of", "under a blue sky"))
    animals = re.compile("|".join(ANIMALS))
    assert sum(bool(animals.search(sentence)) for sentence in sentences) > 200
    assert not any("{" in sentence or "  " in sentence for sentence in sentences)


def test_a_folder_that_is_not_wordnets(tmp_path):
    with pytest.raises(UserError, match=r"data\.noun"):
        list(make_sentences(["a cow"], tmp_path, 3))
