import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from preprocess.shards.info import read_info
from preprocess.shards.read import CONDITIONS, load
from preprocess.shards.records import jpeg_of, read_shard, shard_paths
from preprocess.utils.errors import UserError
from tests.helpers import is_tuned


def batches(*arguments, **options):
    return [(image.numpy(), embedding.numpy()) for image, embedding in load(*arguments, **options)]


def stored(folder, split):
    """[(image embedding, text embeddings, 64 px image)] in the order of the shards."""
    rows = []
    for path in shard_paths(folder, split):
        for record in read_shard(path):
            feature = record.features.feature
            texts = np.array(feature["text_embeddings"].float_list.value, np.float32).reshape(-1, 512)
            image = np.asarray(Image.open(io.BytesIO(jpeg_of(record, 64))), np.float32) / 255
            rows.append((np.array(feature["image_embedding"].float_list.value, np.float32), texts, image))
    return rows


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("condition", ["image", "text"])
def test_training_has_static_shapes_and_whole_batches(embedded, size, condition):
    data = load(embedded, size, condition, "train", 8)
    assert [spec.shape for spec in data.element_spec] == [(8, size, size, 3), (8, 512)] and not is_tuned(data)
    found = [batch for batch in data]
    assert len(found) == read_info(embedded).counts["train"] // 8
    image, embedding = found[0]
    assert image.dtype == embedding.dtype == tf.float32 and np.min(image) >= 0 and np.max(image) <= 1
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)


def test_validation_keeps_every_image_in_order(embedded):
    rows = stored(embedded, "val")
    assert not is_tuned(load(embedded, 64, "image", "val", 4))
    images, embeddings = map(np.concatenate, zip(*batches(embedded, 64, "image", "val", 4)))
    np.testing.assert_array_equal(embeddings, [image_embedding for image_embedding, _, _ in rows])
    # Two JPEG decoders may differ by a level or two.
    assert np.abs(images - np.array([image for _, _, image in rows])).max() < 0.02


def test_validation_on_text_uses_every_caption(embedded):
    rows = stored(embedded, "val")
    images, embeddings = map(np.concatenate, zip(*batches(embedded, 64, "text", "val", 4)))
    np.testing.assert_array_equal(embeddings, np.concatenate([texts for _, texts, _ in rows]))
    assert np.abs(images - np.repeat([image for _, _, image in rows], 5, axis=0)).max() < 0.02


def test_an_embedding_stays_with_its_image(embedded):
    rows = stored(embedded, "train")
    for condition in ("image", "text"):
        for images, embeddings in batches(embedded, 64, condition, "train", 8):
            for image, embedding in zip(images, embeddings):
                row = min(rows, key=lambda row: np.abs(row[2] - image).mean())
                choices = row[1] if condition == "text" else row[0][None]
                assert (choices == embedding).all(1).any()


def test_a_seed_gives_the_same_batches_and_epochs_differ(embedded):
    steps = read_info(embedded).counts["train"] // 8
    two_epochs = [
        (i.numpy(), e.numpy()) for i, e in load(embedded, 64, "text", "train", 8, seed=3, repeat=True).take(2 * steps)
    ]
    again = batches(embedded, 64, "text", "train", 8, seed=3)
    resumed = batches(embedded, 64, "text", "train", 8, seed=3, first_epoch=1)
    for left, right in zip(two_epochs, again + resumed, strict=True):
        np.testing.assert_array_equal(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])
    assert any((left[0] != right[0]).any() for left, right in zip(again, resumed))
    assert any((a[0] != b[0]).any() for a, b in zip(again, batches(embedded, 64, "text", "train", 8, seed=4)))


@pytest.mark.parametrize("condition", ["image", "text"])
def test_the_parts_of_several_hosts_make_up_each_batch(embedded, condition):
    given = embedded, 64, condition, "train", 8
    options = {"seed": 1, "mirrored": True}
    parts = [batches(*given, **options, share=(number, 2)) for number in range(2)]
    for whole, *halves in zip(batches(*given, **options), *parts, strict=True):
        for column, of_column in zip(whole, zip(*halves, strict=True), strict=True):
            np.testing.assert_array_equal(column, np.concatenate(of_column))


def test_half_of_the_images_are_mirrored_others_each_epoch(embedded):
    plain = batches(embedded, 64, "image", "train", 8, seed=3)
    epochs = [batches(embedded, 64, "image", "train", 8, seed=3, first_epoch=e, mirrored=True) for e in (0, 0, 1)]
    mirrored = []
    for (image, embedding), (own, own_embedding) in zip(plain, epochs[0], strict=True):
        np.testing.assert_array_equal(embedding, own_embedding)
        for one, other in zip(image, own):
            mirrored.append(bool((one != other).any()))
            np.testing.assert_array_equal(one[:, ::-1] if mirrored[-1] else one, other)
    assert 0.2 < np.mean(mirrored) < 0.8
    assert all((a[0] == b[0]).all() for a, b in zip(epochs[0], epochs[1]))
    assert any((a[0] != b[0]).any() for a, b in zip(epochs[0], epochs[2]))


def place_of(part, image):
    """Where a part lies in an image, the first place where the two are equal."""
    windows = np.lib.stride_tricks.sliding_window_view(image, part.shape)[:, :, 0]
    rows, columns = np.nonzero((windows == part).all((2, 3, 4)))
    return rows[0], columns[0]


def test_crops_are_cut_out_of_their_images_anywhere_others_each_epoch(embedded):
    whole = batches(embedded, 64, "image", "train", 8, seed=3)
    epochs = [batches(embedded, 64, "image", "train", 8, seed=3, first_epoch=e, crop=48) for e in (0, 0, 1)]
    pairs = [(part, image) for cut, own in zip(epochs[0], whole) for part, image in zip(cut[0], own[0])]
    assert all(part.shape == (48, 48, 3) for part, _ in pairs)
    places = np.array([place_of(part, image) for part, image in pairs])
    assert (places.min(0) < 5).all() and (places.max(0) > 11).all()
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.5
    assert all((a[0] == b[0]).all() for a, b in zip(epochs[0], epochs[1]))
    assert any((a[0] != b[0]).any() for a, b in zip(epochs[0], epochs[2]))


def test_captions_are_drawn_anew_each_epoch(embedded):
    rows = stored(embedded, "train")
    drawn = {}
    for epoch in range(6):
        for _, embeddings in batches(embedded, 64, "text", "train", 8, first_epoch=epoch):
            for embedding in embeddings:
                for index, (_, texts, _) in enumerate(rows):
                    for number in np.flatnonzero((texts == embedding).all(1)):
                        drawn.setdefault(index, set()).add(int(number))
    assert np.mean([len(numbers) for numbers in drawn.values()]) > 2.5


def test_no_python_in_the_pipeline(embedded):
    """A pipeline that can be serialised holds no py_function."""
    data = load(embedded, 64, "text", "train", 8)
    graph = tf.raw_ops.DatasetToGraphV2(input_dataset=data._variant_tensor, external_state_policy=2)
    assert b"PyFunc" not in graph.numpy() and b"DecodeJpeg" in graph.numpy()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((96, "image", "train", 8), "64, 128, 224 px, not 96"),
        ((64, "sound", "train", 8), "condition is one of"),
        ((64, "image", "test", 8), "split one of"),
        ((64, "image", "train", 4096), "fewer than a batch of 4096"),
    ],
)
def test_what_is_not_there_is_an_error(embedded, arguments, message):
    with pytest.raises(UserError, match=message):
        load(embedded, *arguments)


def test_portraits_come_with_attributes_sentences_or_both(portraits):
    info = read_info(portraits)
    d = info.embedding_dim
    batches = {name: next(iter(load(portraits, 64, name, "train", 8, seed=2))) for name in CONDITIONS}
    conditions = {name: np.asarray(condition) for name, (_, condition) in batches.items()}
    assert {name: rows.shape[1] for name, rows in conditions.items()} == {
        "image": d, "text": d, "attributes": 40, "both": 40 + d,
    }  # fmt: skip
    for name, rows in conditions.items():
        assert info.condition_dim(name) == rows.shape[1]
    np.testing.assert_array_equal(
        conditions["both"], np.concatenate([conditions["attributes"], conditions["text"]], axis=1)
    )
    assert set(np.unique(conditions["attributes"])) == {0, 1}
    for name in CONDITIONS:
        np.testing.assert_array_equal(batches[name][0], batches["image"][0])
    counts = {
        name: sum(len(image) for image, _ in load(portraits, 64, name, "val", 8)) for name in ("attributes", "both")
    }
    assert set(counts.values()) == {info.counts["val"]}
