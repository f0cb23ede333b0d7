import random

from preprocess.shards.index import Part, PhotoIndex
from preprocess.shards.records import split_of
from preprocess.shards.write import plan_shards
from preprocess.sources.photo import Photo

PHOTOS = [
    Photo(
        number - 3, f"{number}\udc80.jpg", ("a cow", "eine K\u00fch"), "a.zip", (0, 1), f"{number}", "zip", (7, number)
    )
    for number in range(200)
]


def filled(tmp_path, **options):
    index = PhotoIndex(tmp_path / f"{len(list(tmp_path.iterdir()))}.sqlite")
    shuffled = random.Random(0).sample(PHOTOS, len(PHOTOS))
    assert index.fill(iter(shuffled), 0.25, **options) == len(PHOTOS)
    return index


def test_photographs_come_in_the_order_of_their_ids(tmp_path):
    index = filled(tmp_path)
    assert list(index) == PHOTOS and len(index) == len(PHOTOS)
    assert list(filled(tmp_path, limit=30)) == PHOTOS[:30]


def test_shards_hold_each_photograph_once_and_the_splits_apart(tmp_path):
    index = filled(tmp_path)
    shards = plan_shards(index, 16)
    assert next(iter(shards)) == "train-00000" and all(part.size <= 16 for part in shards.values())
    held = {name: list(index.photos(part)) for name, part in shards.items()}
    assert sorted(photo for photos in held.values() for photo in photos) == sorted(PHOTOS)
    for name, photos in held.items():
        assert {split_of(photo.image_id, 0.25) for photo in photos} == {name.split("-")[0]}
        assert photos == sorted(photos)
    assert (
        list(index.photos(Part("val", 2, 3))) == [photo for photo in PHOTOS if split_of(photo[0], 0.25) == "val"][2:5]
    )
