import json
import zipfile

import pytest

from preprocess.coco.captions import THEMES, find_captions, read_captions, theme_words, word_pattern
from preprocess.utils.errors import UserError
from tests.helpers import shared

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


def test_finds_captions_beside_the_zip_or_in_the_official_archive(tmp_path):
    zip_path = tmp_path / "train2017.zip"
    with pytest.raises(UserError, match=r"captions_train2017\.json"):
        find_captions(zip_path)
    with zipfile.ZipFile(tmp_path / "annotations_trainval2017.zip", "w") as archive:
        archive.writestr("annotations/captions_train2017.json", "{}")
    assert find_captions(zip_path) == (tmp_path / "annotations_trainval2017.zip", "annotations/captions_train2017.json")
    (tmp_path / "captions_train2017.json").write_text("{}")
    assert find_captions(zip_path) == (tmp_path / "captions_train2017.json", None)


def test_reads_captions_and_leaves_out_images_without(tmp_path):
    path = tmp_path / "captions.json"
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
    annotations = [{"id": 1, "image_id": 7, "caption": "A cow."}, {"id": 2, "image_id": 7, "caption": "Cows."}]
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    assert read_captions(path) == {"a.jpg": (7, ["A cow.", "Cows."])}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "cannot be read as JSON"),
        ("[]", "no captions"),
        ('{"images": []}', "no captions"),
        (
            '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"id": 1, "image_id": 1, "bbox": []}]}',
            "COCO",
        ),
    ],
)
def test_captions_that_are_none_are_an_error(tmp_path, text, message):
    path = tmp_path / "captions.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_captions(path)


def test_reads_real_captions_from_the_official_archive():
    path = shared("data", "photos", "full_size", "annotations_trainval2017.zip")
    captions = read_captions(path, "annotations/captions_train2017.json")
    assert len(captions) == 180
    assert captions == read_captions(path)
