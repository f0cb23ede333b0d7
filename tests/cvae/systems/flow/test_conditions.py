import numpy as np
import pytest

from cvae.systems.flow.conditions import conditions_of, unit_conditions
from cvae.systems.flow.latents import Latents

rng = np.random.default_rng(0)


def unit(*shape):
    rows = rng.standard_normal(shape).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def latents():
    """Three photographs with two, one and no caption, and five attributes."""
    attributes = np.array([[0, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], np.float32)
    grids, patches = np.zeros((3, 2, 8, 8, 4), np.float16), np.zeros((3, 1, 8, 8, 0), np.float16)
    return Latents(grids, unit(3, 6), unit(3, 6), np.array([0, 0, 1]), patches, attributes)


def test_each_condition_has_what_it_names(latents):
    image = conditions_of(latents, "image", prior=lambda texts: -texts)
    np.testing.assert_array_equal(image.own, latents.embeddings)
    np.testing.assert_array_equal(image.by_caption, -latents.texts)
    text = conditions_of(latents, "text")
    assert text.own is None and text.by_caption is latents.texts
    attributes = conditions_of(latents, "attributes")
    assert attributes.by_caption is None and attributes.own.shape == (3, 5)
    both = conditions_of(latents, "both")
    assert both.own is None and both.by_caption.shape == (3, 11)
    # A caption goes with the attributes of its own photograph, and both count the same.
    np.testing.assert_allclose(both.by_caption[2, :5], attributes.own[1] / 2**0.5, rtol=1e-5)
    np.testing.assert_allclose(both.by_caption[:, 5:], latents.texts / 2**0.5, rtol=1e-5)


def test_all_have_length_one_and_what_is_not_there_counts_as_well(latents):
    conditions = unit_conditions(latents.attributes, 5)
    np.testing.assert_allclose(np.linalg.norm(conditions, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(conditions[1], -conditions[2])
    np.testing.assert_allclose(np.sign(conditions[0]), [-1, 1, 1, -1, -1])
    np.testing.assert_allclose(unit_conditions(3 * latents.texts, 0), latents.texts, rtol=1e-5)
