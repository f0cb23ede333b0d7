import numpy as np
import pytest

from cvae.evaluation.photos import metrics


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def unit(rng, *shape):
    x = rng.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_psnr_of_a_known_error():
    image = np.full((2, 4, 4, 3), 0.5)
    np.testing.assert_allclose(metrics.psnr(image, image + 0.1), [20, 20])
    assert np.isinf(metrics.psnr(image, image)).all()


@pytest.mark.parametrize(("count", "dimensions"), [(300, 8), (40, 64)])
def test_frechet_distance_agrees_with_scipys_matrix_square_root(rng, count, dimensions):
    scipy_linalg = pytest.importorskip("scipy.linalg")
    x = rng.standard_normal((count, dimensions)) @ rng.standard_normal((dimensions, dimensions))
    y = 0.7 * rng.standard_normal((count + 9, dimensions)) + 0.3
    root = scipy_linalg.sqrtm(np.cov(x.T) @ np.cov(y.T)).real
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root)
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, rel=1e-3)
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_cmmd_agrees_with_a_double_loop(rng):
    x, y = unit(rng, 13, 6), unit(rng, 17, 6)

    def mean_kernel(a, b):
        return np.mean([[np.exp(-np.sum((p - q) ** 2) / 200) for q in b] for p in a])

    expected = 1000 * (mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y))
    assert metrics.cmmd(x, y) == pytest.approx(expected, rel=1e-6)
    assert metrics.cmmd(x, x) == pytest.approx(0, abs=1e-9)
    assert metrics.cmmd([[1.0, 0]], [[-1.0, 0]]) == pytest.approx(2000 * (1 - np.exp(-0.02)))


def test_clip_score_is_two_and_a_half_times_the_cosine():
    np.testing.assert_allclose(metrics.clip_score([[1, 0], [1, 0], [1, 0]], [[1, 0], [0, 1], [-1, 0]]), [2.5, 0, 0])


def r_precision(images, texts, ids=None, **options):
    ids = np.arange(len(texts)) if ids is None else ids
    return metrics.r_precision(images, texts, ids, ids, **options)[0]


def test_r_precision_on_constructed_cases():
    texts = np.eye(200)
    assert r_precision(texts, texts) == 1
    assert r_precision(np.roll(texts, 1, 0), texts, candidates=200) == 0
    half = np.where(np.arange(200)[:, None] < 100, texts, np.roll(texts, 1, 0))
    assert r_precision(half, texts, candidates=200) == 0.5
    assert r_precision(np.ones((200, 200)), texts) == 0, "a tie is no success"


def test_r_precision_says_among_how_many():
    ids = np.array([0, 0, 1, 2])
    assert metrics.r_precision(np.eye(4), np.eye(4), ids, ids, candidates=100) == (1.0, 3), "three images but own"


def test_cmmd_of_one_kind_is_its_bias(rng):
    x, y = unit(rng, 200, 64), unit(rng, 200, 64)
    assert metrics.cmmd(x, y) == pytest.approx(20 / 200, rel=0.1)


def test_r_precision_of_noise_is_chance(rng):
    assert r_precision(unit(rng, 2000, 16), unit(rng, 2000, 16), candidates=10) == pytest.approx(0.1, abs=0.03)


def test_r_precision_never_counts_a_right_caption_as_wrong(rng):
    texts = np.repeat(np.eye(5), 3, axis=0)
    assert r_precision(texts, texts) == 1, "equal captions"
    images, ids = np.repeat(unit(rng, 50, 16), 4, axis=0), np.repeat(np.arange(50), 4)
    captions = images + 0.1 * unit(rng, 200, 16)
    assert r_precision(images, captions, ids, candidates=200) == 1, "other captions of the same image"
    # Asked for another image's caption, chance stays chance: the own one is no candidate.
    asked = np.roll(np.arange(200), 4)
    shuffled, fewest = metrics.r_precision(images, captions[asked], ids, ids[asked], candidates=2)
    assert shuffled == pytest.approx(0.5, abs=0.12) and fewest == 2


def test_diversity_is_the_mean_pairwise_distance():
    same = np.tile([1.0, 0, 0], (2, 4, 1))
    assert metrics.diversity(same) == pytest.approx(0)
    assert metrics.diversity([np.eye(3)]) == pytest.approx(1)
    assert metrics.diversity([[[1, 0], [-1, 0]]]) == pytest.approx(2)
