import pytest

from preprocess.sources.tally import Tally


def test_words_keep_and_the_rest_is_counted():
    tally = Tally(("cow", "goat"))
    assert tally.keeps(["a train", "two cows"]) and not tally.keeps(["a hill"]) and not tally.keeps(["a train"])
    said = tally.describe()
    assert said["dropped"] == 2 and said["unmatched"] == ["goat"]
    assert said["would_keep"] == {"small": 1, "large": 2, "all": 3}


def test_examples_do_not_depend_on_the_order_and_are_no_two_alike():
    captions = [f"train {number}" for number in range(50)]
    found = []
    for order in (captions, captions[::-1], captions * 2):
        tally = Tally(("cow",))
        for caption in order:
            tally.keeps([caption])
        found.append(tally.describe()["examples"])
    assert found[0] == found[1] == found[2] and len(set(found[0])) == 3


@pytest.mark.parametrize("words", [(), ("cow",)])
def test_without_words_all_are_kept(words):
    assert Tally(words).keeps(["a train"]) == (not words)
