import json
import zipfile

import pytest

from preprocess.coco.captions import find_captions, key_of, number_of, read_captions
from preprocess.utils.errors import UserError
from tests.helpers import shared

COW = [{"id": 1, "image_id": 7, "caption": "A cow."}]


def written(folder, images, annotations, **options):
    path = folder / "captions.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}), **options)
    return path


def test_finds_captions_beside_the_zip_or_in_the_official_archive(tmp_path):
    zip_path = tmp_path / "train2017.zip"
    with pytest.raises(UserError, match=r"captions_train2017\.json"):
        find_captions(zip_path)
    with zipfile.ZipFile(tmp_path / "annotations_trainval2017.zip", "w") as archive:
        archive.writestr("annotations/captions_train2017.json", "{}")
    assert find_captions(zip_path) == (tmp_path / "annotations_trainval2017.zip", "annotations/captions_train2017.json")
    (tmp_path / "captions_train2017.json").write_text("{}")
    assert find_captions(zip_path) == (tmp_path / "captions_train2017.json", None)


def test_finds_captions_in_the_folder_that_the_official_zip_unpacks_to(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "captions_val2017.json").write_text("{}")
    assert find_captions(tmp_path / "val2017.zip") == (tmp_path / "annotations" / "captions_val2017.json", None)


def test_captions_of_another_split_are_not_taken(tmp_path):
    (tmp_path / "captions_train2017.json").write_text("{}")
    with pytest.raises(UserError, match=r"put captions_val2017\.json"):
        find_captions(tmp_path / "val2017.zip")


def test_reads_captions_and_leaves_out_images_without(tmp_path):
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
    annotations = [*COW, {"id": 2, "image_id": 7, "caption": "Cows."}]
    found = read_captions(written(tmp_path, images, annotations))
    assert found.images == {"a.jpg": (7, ["A cow.", "Cows."])} and found.left_out == []


def test_annotations_need_no_id_and_may_share_one(tmp_path):
    annotations = [{"image_id": 7, "caption": "A cow."}, {"id": 1, "image_id": 7, "caption": "Two."}, COW[0]]
    found = read_captions(written(tmp_path, [{"id": 7, "file_name": "a.jpg"}], annotations))
    assert found.images == {"a.jpg": (7, ["A cow.", "Two.", "A cow."])}


@pytest.mark.parametrize(
    ("caption", "fault"),
    [
        (None, "is missing"),
        ("", "is empty"),
        ("  ", "is empty"),
        (float("nan"), "is no text but nan"),
        (5, "is no text but 5"),
        (["a cow", "b"], "is no text but ['a cow', 'b']"),
        ({"raw": "a cow"}, "is no text but {"),
        (True, "is no text but True"),
    ],
)
def test_what_is_no_text_is_left_out_with_a_reason(tmp_path, caption, fault):
    images = [{"id": 7, "file_name": "a.jpg"}]
    found = read_captions(written(tmp_path, images, [*COW, {"id": 2, "image_id": 7, "caption": caption}]))
    assert found.images == {"a.jpg": (7, ["A cow."])}
    [(name, reason)] = found.left_out
    assert name == "a.jpg" and reason.startswith(f"a caption {fault}")


@pytest.mark.parametrize("text", ["file_name,caption\n1.jpg,a cow\n", '{"a": 1}\n{"a": 2}\n'])
def test_another_format_of_captions_gets_an_example_of_this_one(tmp_path, text):
    (tmp_path / "captions.csv").write_text(text)
    with pytest.raises(UserError, match=r'captions.csv is no JSON; .* such as\n{"images"'):
        read_captions(tmp_path / "captions.csv")


@pytest.mark.parametrize("image_id", [True, 1.5, None, float("nan"), float("inf"), [7], "8"])
def test_what_belongs_to_no_image_is_left_out_with_a_reason(tmp_path, image_id):
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}]
    found = read_captions(written(tmp_path, images, [*COW, {"id": 2, "image_id": image_id, "caption": "?"}]))
    assert found.images == {"a.jpg": (7, ["A cow."])}
    [(name, reason)] = found.left_out
    assert name == "annotation 2" and "no image has its image_id" in reason


@pytest.mark.parametrize(
    ("image", "of_it"),
    [({"id": True, "file_name": "b.jpg"}, "b.jpg"), ({"id": 1, "file_name": None}, "image 2"), (5, "image 2")],
)
def test_images_that_cannot_be_meant_are_left_out_with_a_reason(tmp_path, image, of_it):
    found = read_captions(written(tmp_path, [{"id": 7, "file_name": "a.jpg"}, image], COW))
    assert found.images == {"a.jpg": (7, ["A cow."])}
    assert found.left_out[0][0] == of_it


def test_ids_may_be_texts_whole_fractions_and_beyond_64_bits(tmp_path):
    images = [
        {"id": "7", "file_name": "a.jpg"},
        {"id": 2**70, "file_name": "b.jpg"},
        {"id": "cow-1", "file_name": "c.jpg"},
        {"id": 9.0, "file_name": "d.jpg"},
    ]
    annotations = [{"image_id": image_id, "caption": "A cow."} for image_id in (7, str(2**70), "cow-1", 9)]
    found = read_captions(written(tmp_path, images, annotations))
    assert list(found.images) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"] and not found.left_out
    numbers = [number for number, _ in found.images.values()]
    assert numbers[0] == 7 and numbers[3] == 9 and len(set(numbers)) == 4
    assert all(-(2**63) <= number < 2**63 for number in numbers)
    # Written down, so that the split of data sets made before never changes.
    assert number_of(key_of("cow-1")) == 3354730475495382865


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([{"id": 7, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}], ("the id 7", "a.jpg", "b.jpg")),
        ([{"id": 7, "file_name": "a.jpg"}, {"id": "7", "file_name": "b.jpg"}], ("the id 7", "a.jpg", "b.jpg")),
        ([{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "a.jpg"}], ("a.jpg", "ids 7 and 8")),
    ],
)
def test_what_is_ambiguous_is_refused_by_both_names(tmp_path, images, words):
    with pytest.raises(UserError) as caught:
        read_captions(written(tmp_path, images, COW))
    assert all(word in str(caught.value) for word in words)


def test_an_image_that_is_listed_twice_alike_is_one(tmp_path):
    images = [{"id": 7, "file_name": "a.jpg"}] * 2
    assert read_captions(written(tmp_path, images, COW)).images == {"a.jpg": (7, ["A cow."])}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_unicode_is_read(tmp_path, encoding):
    path = written(tmp_path, [{"id": 7, "file_name": "a.jpg"}], [{"image_id": 7, "caption": "Kühe"}])
    text = path.read_text()
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    path.write_bytes((mark + text).replace("\n", "\r\n").encode(encoding))
    assert read_captions(path).images == {"a.jpg": (7, ["Kühe"])}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", 'lacks "images"'),
        ('{"images": []}', 'lacks "annotations"'),
        ('{"images": {}, "annotations": []}', 'lacks "images"'),
        ('{"images": [], "annotations": []}', "no captions of its images"),
        ('{"images": [{"id": 1, "name": "a.jpg"}], "annotations": []}', 'lacks "file_name" in its images'),
        ('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "bbox": []}]}',
         'lacks "caption" in its annotations'),
    ],
)  # fmt: skip
def test_captions_that_are_none_are_an_error(tmp_path, text, message):
    path = tmp_path / "captions.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_captions(path)


def test_a_file_that_lacks_a_key_gets_five_lines_that_would_work(tmp_path):
    path = tmp_path / "captions.json"
    path.write_text("{}")
    with pytest.raises(UserError) as caught:
        read_captions(path)
    _, *lines = str(caught.value).splitlines()
    path.write_text("\n".join(lines))
    assert len(lines) == 5 and len(read_captions(path).images) == 1


def test_the_captions_in_a_zip_are_those_of_the_images_zip(tmp_path):
    path = tmp_path / "annotations.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for split in ("train2017", "val2017"):
            content = {"images": [{"id": 7, "file_name": f"{split}.jpg"}], "annotations": COW}
            archive.writestr(f"annotations/captions_{split}.json", json.dumps(content))
    assert list(read_captions(path, None, "val2017").images) == ["val2017.jpg"]
    with pytest.raises(UserError, match=r"captions_train2017.json and captions_val2017.json; give --captions"):
        read_captions(path, None, "mine")


def test_reads_real_captions_from_the_official_archive():
    path = shared("data", "photos", "full_size", "annotations_trainval2017.zip")
    captions = read_captions(path, "annotations/captions_train2017.json")
    assert len(captions.images) == 180
    assert captions == read_captions(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, "caption": "a", "caption": "b"}]}',
        '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [], "annotations": []}',
    ],
)
def test_what_stands_twice_is_refused_and_not_lost(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(UserError, match=r"has two of '(caption|annotations)', of which JSON keeps the last"):
        read_captions(tmp_path / "c.json")


def test_captions_that_show_nothing_are_none(tmp_path):
    texts = ["\u200b", "\ufeff", "\0", "a cow \U0001f404"]
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(4)]
    annotations = [{"image_id": number, "caption": text} for number, text in enumerate(texts)]
    (tmp_path / "c.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    found = read_captions(tmp_path / "c.json")
    assert list(found.images) == ["3.jpg"] and len(found.left_out) == 3
