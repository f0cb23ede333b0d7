import pytest

from preprocess.coco.themes import THEMES, theme_words, word_pattern
from preprocess.utils.errors import UserError

LARGE = word_pattern(THEMES["large"])


@pytest.mark.parametrize(
    "text",
    ["Sheep", "two cows", "a hilly place", "on the hillside", "grassy", "farmland", "horses", "cow's", "mountains.",
     "mountainside", "forested", "a fenced yard", "FARM", "grasslands", "hills,", "farmers", "horseback", "hilltop"],
)  # fmt: skip
def test_finds_words_and_their_inflections(text):
    assert LARGE.search(text)


@pytest.mark.parametrize(
    "text",
    ["cowboy", "chill", "signature", "horseradish", "coward", "seahorse", "natural", "offence", "sheepish", "cower",
     "grasshopper", "Hillary", "a city street"],
)  # fmt: skip
def test_does_not_find_words_inside_others(text):
    assert not LARGE.search(text)


def test_users_words_inflect_too():
    pattern = word_pattern(["pony", "Hay  bale", "goose", "man"])
    for text in ("ponies", "hay bales", "Hay\nbale", "geese", "men"):
        assert pattern.search(text), text
    assert not pattern.search("many companies")


def test_theme_words_adds_the_users_own_once():
    assert theme_words("small", ["Goat", "cow"]) == ("cow", "sheep", "goat")


def test_empty_word_is_an_error():
    with pytest.raises(UserError, match="not a word"):
        word_pattern(["cow", " "])
