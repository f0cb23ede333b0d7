import numpy as np

from cvae.evaluation.held_out import read_held_out
from preprocess.shards.info import read_info
from preprocess.shards.read import load


def test_captions_begin_with_one_an_image(embedded):
    info = read_info(embedded)
    everything = read_held_out(info, 64, 10_000)
    count = info.counts["val"]
    assert len(everything.images) == len(everything.image_embeddings) == count
    assert everything.ids[:count].tolist() == list(range(count))
    assert len(everything.captions) == len(everything.texts) == len(everything.ids) == info.caption_counts["val"]
    some = read_held_out(info, 64, count + 1)
    assert some.captions == everything.captions[: count + 1]
    assert len(read_held_out(info, 64, 5).images) == len(read_held_out(info, 64, 5).captions) == 5


def test_images_and_embeddings_are_those_that_models_are_validated_with(embedded):
    info = read_info(embedded)
    held_out = read_held_out(info, 64, 10_000)
    images, embeddings = next(load(embedded, 64, "image", "val", 8).as_numpy_iterator())
    np.testing.assert_allclose(held_out.images[:8] / 255, images, atol=0.02)
    np.testing.assert_array_equal(held_out.conditions("image")[:8], embeddings)
    np.testing.assert_allclose(np.linalg.norm(held_out.conditions("text"), axis=1), 1, rtol=1e-5)
    # Captions tell about their own image: the cosine is higher than with another's.
    own = np.sum(held_out.texts * held_out.image_embeddings[held_out.ids], 1)
    other = np.sum(held_out.texts * held_out.image_embeddings[held_out.ids - 1], 1)
    assert own.mean() > other.mean()
