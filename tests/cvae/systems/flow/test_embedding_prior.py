import numpy as np
import pytest

from cvae.systems.flow import embedding_prior
from cvae.systems.flow.embedding_prior import EmbeddingPrior


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def cosine(a, b):
    return float(np.mean(np.sum(a * b, axis=1)))


def make_pairs(apart, noise):
    """Texts and images, so far from the origin and so noisy: (training pairs, other pairs)."""
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((1200, 16))
    turn = np.linalg.qr(rng.standard_normal((16, 16)))[0]
    texts = unit(meaning @ turn + noise * rng.standard_normal((1200, 16)) + apart * np.eye(16)[0])
    images = unit(meaning - apart * np.eye(16)[1])
    return (texts[:1000], images[:1000]), (texts[1000:], images[1000:])


@pytest.fixture(scope="module")
def pairs():
    """Texts that tell a part of their images, in a region of their own."""
    return make_pairs(apart=6, noise=0.5)


def test_each_kind_comes_nearer_to_the_images(pairs):
    (texts, images), (new_texts, new_images) = pairs
    prior = EmbeddingPrior(16)
    prior.fit(texts, images, np.arange(len(texts)))
    reached = {}
    for prior.kind in ("none", "mean", "ridge"):
        moved = np.asarray(prior(new_texts))
        assert np.allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-5)
        reached[prior.kind] = cosine(moved, new_images)
    assert reached["none"] < reached["mean"] < reached["ridge"]


def test_its_error_is_the_length_of_noise_that_leads_as_far_astray(pairs):
    (texts, images), (new_texts, new_images) = pairs
    prior = EmbeddingPrior(16)
    prior.fit(texts, images, np.arange(len(texts)))
    errors, rng = {}, np.random.default_rng(0)
    for prior.kind in ("none", "mean", "ridge"):
        errors[prior.kind] = prior.error(new_texts, new_images, np.arange(len(new_texts)))
    assert errors["none"] > errors["mean"] > errors["ridge"] > 0
    noise = rng.standard_normal(new_images.shape)
    noise -= np.sum(noise * new_images, axis=1, keepdims=True) * new_images
    astray = unit(new_images + errors["ridge"] * unit(noise))
    assert cosine(astray, new_images) == pytest.approx(cosine(np.asarray(prior(new_texts)), new_images), abs=1e-3)


def test_none_leaves_texts_as_they_are(pairs):
    (texts, images), _ = pairs
    prior = EmbeddingPrior(16, "none")
    prior.fit(texts, images, np.arange(len(texts)))
    assert np.array_equal(np.asarray(prior(texts)), texts)


def test_few_pairs_are_enough_to_be_defined(pairs):
    (texts, images), _ = pairs
    prior = EmbeddingPrior(16)
    prior.fit(texts[:2], images[:2], np.arange(2))
    assert np.isfinite(np.asarray(prior(texts))).all()


def test_pairs_summed_in_parts_give_the_same(pairs, monkeypatch):
    (texts, images), (new_texts, _) = pairs
    # Two texts an image.
    images, ids = images[::2], np.arange(len(texts)) // 2
    whole, parts = EmbeddingPrior(16), EmbeddingPrior(16)
    whole.fit(texts, images, ids)
    monkeypatch.setattr(embedding_prior, "PART", 300)
    parts.fit(texts, images, ids)
    assert np.allclose(np.asarray(whole(new_texts)), np.asarray(parts(new_texts)), atol=1e-5)
    expected = np.linalg.lstsq(texts - texts.mean(0), images[ids] - images[ids].mean(0), rcond=None)[0]
    monkeypatch.setattr(embedding_prior, "RIDGE", 1e-9)
    whole.fit(texts, images, ids)
    assert np.allclose(np.asarray(whole.kernel), expected, atol=1e-3)


def test_a_gaussian_spreads_around_the_regression_as_images_do(monkeypatch):
    # So noisy that the regression has about 0.6 of images' length.
    (texts, images), (new_texts, new_images) = make_pairs(apart=2, noise=2)
    prior = EmbeddingPrior(16)
    prior.fit(texts, images, np.arange(len(texts)))
    guessed = np.asarray(prior(new_texts))
    error = prior.error(new_texts, new_images, np.arange(len(new_texts)))
    prior.kind = "gaussian"
    rng = np.random.default_rng(0)
    draws = np.stack([np.asarray(prior(new_texts, rng.standard_normal(new_texts.shape))) for _ in range(500)])
    assert np.allclose(np.linalg.norm(draws, axis=-1), 1, atol=1e-5)
    assert cosine(unit(draws.mean(0)), guessed) > 0.98
    # The noise is so much longer than what would take the regression to where images are.
    assert np.linalg.norm(prior.spread) / error == pytest.approx(embedding_prior.VARIETY, rel=0.1)
    # And in the same directions: most where images differ most from what texts tell of them.
    missed, drawn = (new_images - guessed).var(0), (draws - guessed).var((0, 1))
    assert np.corrcoef(missed, drawn)[0, 1] > 0.6
    # No wider than what the regression misses, draws lie as far from it as images do.
    monkeypatch.setattr(embedding_prior, "VARIETY", 1.0)
    prior.fit(texts, images, np.arange(len(texts)))
    drawn = np.asarray(prior(new_texts, rng.standard_normal(new_texts.shape)))
    assert 0.8 < (1 - cosine(guessed, drawn)) / (1 - cosine(guessed, new_images)) < 1.2


def test_what_a_text_differs_in_is_what_its_images_differ_in(pairs):
    (texts, images), (new_texts, new_images) = pairs
    prior = EmbeddingPrior(16)
    prior.fit(texts, images, np.arange(len(texts)))
    direction = np.asarray(prior.direction(new_texts))
    assert np.allclose(np.linalg.norm(direction, axis=1), 1, atol=1e-5)
    assert cosine(direction, unit(new_images - images.mean(0))) > 0.7
    assert abs(cosine(direction, np.repeat(unit(images.mean(0))[None], len(direction), 0))) < 0.2


def test_texts_that_are_all_alike_lead_to_the_mean_image(pairs):
    (texts, images), _ = pairs
    prior = EmbeddingPrior(16)
    prior.fit(np.repeat(texts[:1], 5, axis=0), images[:5], np.arange(5))
    assert np.allclose(np.asarray(prior(texts[:1]))[0], unit(images[:5].mean(0)), atol=1e-5)


def test_it_is_exact_under_mixed_precision_and_made_again_from_its_config(pairs):
    (texts, images), _ = pairs
    prior = EmbeddingPrior(16, dtype="mixed_bfloat16")
    again = EmbeddingPrior.from_config(prior.get_config())
    plain = EmbeddingPrior(16)
    for one in (again, plain):
        one.fit(texts, images, np.arange(len(texts)))
    np.testing.assert_allclose(np.asarray(again(texts)), np.asarray(plain(texts)), atol=1e-5)
    assert again.kind == "ridge"


def test_other_kinds_are_errors(pairs):
    with pytest.raises(ValueError, match="not median"):
        EmbeddingPrior(16, "median")(pairs[0][0])
