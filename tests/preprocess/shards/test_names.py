import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.shards.names import join_names, short_names
from preprocess.utils.errors import UserError


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("1.jpg", "train2017/1.jpg"),
        ("images/1.jpg", "train2017/1.jpg"),
        ("train/1.jpg", "coco/train2017/1.jpg"),
        ("1.JPG", "train2017/1.jpg"),
        ("images\\1.jpg", "train2017/1.jpg"),
        ("./train2017//1.jpg", "train2017/1.jpg"),
        ("http://images.cocodataset.org/train2017/1.jpg", "train2017/1.jpg"),
        ("\u00fc.jpg", "u\u0308.jpg"),
    ],
)
def test_names_of_one_image_in_many_forms(name, image):
    assert join_names([name], [image, "train2017/2.jpg"], "captions") == {name: image}


def test_the_longest_common_path_decides():
    images = ["all/cats/0.jpg", "all/dogs/0.jpg", "0.jpg"]
    assert join_names(["dogs/0.jpg", "cats/0.jpg"], images, "") == {"dogs/0.jpg": images[1], "cats/0.jpg": images[0]}


def test_files_that_differ_by_case_alone_are_told_apart():
    assert join_names(["a.jpg", "A.jpg"], ["A.jpg", "a.jpg"], "") == {"a.jpg": "a.jpg", "A.jpg": "A.jpg"}


@pytest.mark.parametrize(
    ("names", "images"),
    [
        # Of a zip that holds the cats alone.
        (["cats/0.jpg", "dogs/0.jpg", "dogs/1.jpg"], ["cats/0.jpg", "cats/1.jpg"]),
        (["val/1.jpg"], ["train2017/1.jpg"]),
        (["x/0.jpg", "y/0.jpg"], ["a/0.jpg"]),
    ],
)
def test_a_name_in_another_folder_is_another_image(names, images):
    assert join_names(names, images, "") == {name: name for name in names if name in images}


def test_files_that_all_have_one_name_are_joined_in_time():
    images = [f"{number:06}/rgb.jpg" for number in range(20_000)]
    names = [f"{number:06}/rgb.jpg" for number in range(10_000, 30_000)]
    # Half a second; comparing each with each took an hour.
    assert len(join_names(names, images, "")) == 10_000


def test_the_better_of_two_names_for_an_image_is_taken():
    assert join_names(["cats/0.jpg", "dogs/0.jpg"], ["dogs/0.jpg"], "") == {"dogs/0.jpg": "dogs/0.jpg"}


def test_what_may_be_either_is_refused_by_both_names():
    with pytest.raises(UserError, match=r"0.jpg in c.json may be a/0.jpg or b/0.jpg"):
        join_names(["0.jpg"], ["a/0.jpg", "b/0.jpg"], "c.json")
    with pytest.raises(UserError, match=r"0.jpg and ./0.jpg in c.json are both a/0.jpg"):
        join_names(["0.jpg", "./0.jpg"], ["a/0.jpg"], "c.json")


def test_short_names_are_the_files_own_where_they_tell_images_apart():
    found = short_names(["a/0.jpg", "b/0.jpg", "b/1.jpg"])
    assert found == {"a/0.jpg": "a/0.jpg", "b/0.jpg": "b/0.jpg", "b/1.jpg": "1.jpg"}


names = st.lists(st.text(st.characters(exclude_characters="/\\\0", exclude_categories=["Cs"]), min_size=1), min_size=1)
paths = names.map("/".join).filter(lambda path: path.split("/")[-1] != ".")


@given(st.sets(paths, max_size=12), st.randoms())
def test_each_image_finds_itself_under_whatever_form_or_nothing_is_joined(images, lot):
    """Whatever the names: an image's own path leads to it, unless others mean the same, which is refused."""
    forms = [lambda x: x, lambda x: x.replace("/", "\\"), lambda x: unicodedata.normalize("NFD", x), lambda x: "./" + x]
    asked = {lot.choice(forms)(image): image for image in sorted(images)}
    try:
        found = join_names(asked, images, "")
    except UserError:
        return
    for name, image in found.items():
        same = unicodedata.normalize("NFC", asked[name]).casefold() == unicodedata.normalize("NFC", image).casefold()
        assert same or asked[name].split("/")[-1].casefold() == image.split("/")[-1].casefold()
    assert len(set(found.values())) == len(found)
