import numpy as np
import pytest

from preprocess.celeba.attributes import ATTRIBUTES, TEMPLATES, attributes_of, describe, find_attribute, vector_of
from preprocess.utils.errors import UserError
from tests.helpers import shared


def having(*names):
    return [name in names for name in ATTRIBUTES]


@pytest.mark.parametrize(
    ("names", "sentences"),
    [
        (
            ("Male", "Young", "Black_Hair", "Goatee", "Smiling", "Eyeglasses"),
            {
                "a young man with black hair and a goatee, smiling, wearing eyeglasses",
                "a smiling young man wearing eyeglasses, with black hair and a goatee",
            },
        ),
        (("Male", "No_Beard"), {"a clean-shaven old man"}),
        (("Attractive", "No_Beard", "Blurry"), {"a blurry photo of an attractive old woman"}),
    ],
)
def test_sentences_are_good_english(names, sentences):
    assert sentences <= {describe(having(*names), template=number) for number in range(len(TEMPLATES))}


@pytest.mark.parametrize("template", range(len(TEMPLATES)))
def test_each_of_the_forty_is_said_and_understood(template):
    for name in ATTRIBUTES:
        # A goatee is a beard; a woman's lack of one goes without saying.
        base = {"Male", "No_Beard"} if name in ("Mustache", "Sideburns") else {"Male"}
        for values in (base, base ^ {name}):
            asked = having(*values)
            assert list(vector_of(describe(asked, template=template)) > 0) == asked, (name, values)


def test_real_portraits_are_understood_as_they_are():
    lines = shared("data", "celeba", "list_attr_celeba.txt").read_text().splitlines()[2:1002]
    rows = np.array([[int(value) > 0 for value in line.split()[1:]] for line in lines])
    no_beard, beards = ATTRIBUTES.index("No_Beard"), [ATTRIBUTES.index(n) for n in ("5_o_Clock_Shadow", "Goatee")]
    # Some portraits have a goatee and no beard.
    rows[:, no_beard] &= ~rows[:, beards].any(axis=1)
    for number, row in enumerate(rows):
        np.testing.assert_array_equal(vector_of(describe(row, template=number % len(TEMPLATES))) > 0, row)


def test_details_are_left_out_by_lot_but_never_sex_and_age():
    row = having("Male", "Young", "Smiling", "Bangs", "Wearing_Hat")
    said = {describe(row, np.random.default_rng(seed)) for seed in range(40)}
    assert len(said) > 8 and all("young man" in sentence for sentence in said)
    assert describe(row, np.random.default_rng(1)) == describe(row, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A young woman with bangs wearing eyeglasses", {"Male": 0, "Young": 1, "Bangs": 1, "Eyeglasses": 1}),
        ("a man without glasses, not smiling, with grey hair", {"Eyeglasses": 0, "Smiling": 0, "Gray_Hair": 1}),
        ("an elderly bearded gentleman in a cap", {"Male": 1, "Young": 0, "No_Beard": 0, "Wearing_Hat": 1}),
        ("a laughing blonde", {"Smiling": 1, "Blond_Hair": 1}),
        ("a clean-shaven man", {"No_Beard": 1, "Mustache": 0, "Goatee": 0}),
        ("a person that is fatherly, with chattering chips", {}),
    ],
)
def test_free_prompts(prompt, expected):
    found = attributes_of(prompt)
    assert {name: found.get(name) for name in expected} == expected
    assert expected or not found


def test_names_are_found_in_any_case_and_others_get_a_suggestion():
    assert find_attribute("wearing hat") == "Wearing_Hat" and find_attribute("SMILING") == "Smiling"
    with pytest.raises(UserError, match="did you mean Smiling"):
        find_attribute("Smilling")
