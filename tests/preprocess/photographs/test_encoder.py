import numpy as np
import pytest

from preprocess.embedding.encoders import load_encoder
from preprocess.photographs.encoder import PhotographEncoder
from tests.helpers import command

SKY, GRASS = (110, 160, 220), (90, 140, 50)


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("photographs")


def halves(upper, lower, size=224):
    image = np.empty((size, size, 3), np.uint8)
    image[: size // 2], image[size // 2 :] = upper, lower
    return image


def nearest(encoder, text, others):
    embeddings = encoder.encode_texts([text, *others])
    return others[int(np.argmax(embeddings[1:] @ embeddings[0]))]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a ewe and her lamb", "a sheep"),
        ("a foal", "a horse"),
        ("a calf", "a cow"),
        ("a field with nobody in it", "an empty meadow"),
        ("foggy", "a misty morning"),
    ],
)
def test_words_mean_something(encoder, text, meaning):
    others = ["a sheep", "a horse", "a cow", "an empty meadow", "a misty morning", "a man on a skateboard"]
    assert nearest(encoder, text, others) == meaning


def test_embeddings_have_length_one_and_depend_on_their_input_alone(encoder):
    images = [halves(SKY, GRASS), halves(GRASS, SKY), np.full((90, 90, 3), 200, np.uint8)]
    embeddings = encoder.encode_images(images)
    assert embeddings.shape == (3, 512) and embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(encoder.encode_images(images[1:2]), embeddings[1:2], atol=1e-4)
    texts = encoder.encode_texts(["a cow", "a cow on a hill " * 20])
    np.testing.assert_allclose(encoder.encode_texts(["a cow"]), texts[:1], atol=1e-4)
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, 512)


def test_patches_lie_where_they_are_in_the_image(encoder):
    both, patches = encoder.encode_images_and_patches([halves(SKY, GRASS), halves(GRASS, SKY)])
    np.testing.assert_allclose(both, encoder.encode_images([halves(SKY, GRASS), halves(GRASS, SKY)]), atol=1e-4)
    assert patches.shape == (2, 8, 8, 1280)
    one, other = patches[:, [1, 6]].mean(2)
    # The upper part of one picture is like the lower part of the other.
    same = np.linalg.norm(one[0] - other[1]) + np.linalg.norm(one[1] - other[0])
    assert same < np.linalg.norm(one[0] - other[0]) + np.linalg.norm(one[1] - other[1])


def test_it_needs_no_pytorch():
    code = (
        "import sys; from preprocess.photographs.encoder import PhotographEncoder as E; E().encode_texts(['a cow']); "
        "assert 'torch' not in sys.modules"
    )
    process = command("-c", code)
    assert process.returncode == 0, process.stderr


def test_its_hash_is_that_of_its_weights():
    assert PhotographEncoder.weights_path.name == "encoder.npz" and PhotographEncoder.weights_path.is_file()
