"""How good pictures are, in numbers: plain numpy on images and on embeddings of an encoder such as CLIP.

Embeddings are float (n, d), rows of length 1, unless a function says otherwise.
"""

import numpy as np

# CMMD's bandwidth and scale, as in the paper's own code.
CMMD_SIGMA, CMMD_SCALE = 10.0, 1000.0
CLIP_SCORE_WEIGHT = 2.5


def psnr(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in decibels, one an image; higher is nearer, 20 to 30 is usual for a small VAE.

    Args:
        images, others: (n, height, width, channels) in [0, 1].

    Returns:
        float64 (n,), infinite for equal images.
    """
    errors = np.mean(np.square(np.asarray(images, np.float64) - others), axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return -10 * np.log10(errors)


def clip_score(image_embeddings: np.ndarray, text_embeddings: np.ndarray) -> np.ndarray:
    """CLIPScore (Hessel et al. 2021, arXiv 2104.08718): 2.5 max(cosine, 0) of each image and its caption.

    From 0 to 2.5; real photographs and their captions get about 0.75 from ViT-B/32. The paper's "A photo depicts"
    before each caption is left out, since models here are prompted with the caption alone.

    Returns:
        float64 (n,).
    """
    cosines = np.sum(np.asarray(image_embeddings, np.float64) * text_embeddings, axis=1)
    return CLIP_SCORE_WEIGHT * np.maximum(cosines, 0)


def r_precision(
    image_embeddings: np.ndarray,
    text_embeddings: np.ndarray,
    image_ids: np.ndarray,
    text_ids: np.ndarray,
    candidates: int = 100,
    seed: int = 0,
) -> tuple[float, int]:
    """R-precision (Xu et al. 2018, arXiv 1711.10485): how often the true caption is first among `candidates`.

    Each image is compared with the caption of its row and `candidates` - 1 others, drawn anew for each from those that
    describe other images in other words. From 0 to 1. Ties count as failures.

    Args:
        image_embeddings, text_embeddings: (n, d), row by row an image and the caption that should be nearest.
        image_ids, text_ids: (n,), which image each row shows, and which image each caption describes.
        candidates: captions an image, at most as many as there are.
        seed: of the draw.

    Returns:
        (share, fewest): the share of images whose own caption is nearest, and the smallest number of candidates that
        one of them had, its own among them: below `candidates` where there are too few. Chance is one over it.
    """
    images, texts = np.asarray(image_embeddings, np.float64), np.asarray(text_embeddings, np.float64)
    image_ids, text_ids = np.asarray(image_ids), np.asarray(text_ids)
    rng = np.random.default_rng(seed)
    right, fewest = 0, candidates
    for row, (image, own) in enumerate(zip(images, texts)):
        # No wrong answers: equal captions, and those of the image that is shown or whose caption is asked for.
        wrong = (texts @ own < 1 - 1e-6) & (text_ids != text_ids[row]) & (text_ids != image_ids[row])
        drawn = rng.permutation(np.flatnonzero(wrong))[: candidates - 1]
        right += image @ own > (texts[drawn] @ image).max(initial=-np.inf)
        fewest = min(fewest, 1 + len(drawn))
    return float(right / len(images)), fewest


def cmmd(embeddings: np.ndarray, others: np.ndarray) -> float:
    """CLIP maximum mean discrepancy (Jayasumana et al. 2024, arXiv 2401.09603), times 1000 as in the paper.

    The squared distance of two sets of pictures in CLIP's space, by a Gaussian kernel of bandwidth 10: unlike the
    Frechet distance it assumes no shape. 0 for equal sets. The estimate is the paper's biased one: two sets of n
    pictures of one kind get about 20 (1 - their mean cosine) / n, so compare it only at equal numbers.

    Args:
        embeddings, others: (n, d) and (m, d).

    Returns:
        A float from 0 to 40.
    """

    def mean_kernel(x, y):
        squares = np.sum(x**2, 1)[:, None] + np.sum(y**2, 1) - 2 * x @ y.T
        return np.mean(np.exp(-np.maximum(squares, 0) / (2 * CMMD_SIGMA**2)))

    x, y = np.asarray(embeddings, np.float64), np.asarray(others, np.float64)
    return float(CMMD_SCALE * max(0.0, mean_kernel(x, x) + mean_kernel(y, y) - 2 * mean_kernel(x, y)))


def frechet_distance(embeddings: np.ndarray, others: np.ndarray) -> float:
    """Frechet distance of two Gaussians fitted to embeddings (Heusel et al. 2017, arXiv 1706.08500).

    In CLIP's space of unit vectors it lies between 0, for equal means and covariances, and 4. With few pictures it is
    biased upwards: compare it only at equal numbers.

    Args:
        embeddings, others: (n, d) and (m, d), of any length; n and m are at least 2.

    Returns:
        A float, the squared distance.
    """
    x, y = np.asarray(embeddings, np.float64), np.asarray(others, np.float64)
    # With A and B the centred data over the square root of their number, or the R of their QR decompositions, the trace
    # of (A'A B'B)^(1/2) is the sum of the singular values of A B': no matrix square root, no full rank needed.
    a, b = (np.asarray(np.linalg.qr((z - z.mean(0)) / np.sqrt(len(z) - 1), mode="r")) for z in (x, y))
    traces = np.sum(a**2) + np.sum(b**2) - 2 * np.sum(np.linalg.svd(a @ b.T, compute_uv=False))
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + max(0.0, traces))


def diversity(embeddings: np.ndarray) -> float:
    """Mean pairwise cosine distance between pictures of one prompt, averaged over prompts.

    Args:
        embeddings: (prompts, pictures, d), at least two pictures a prompt.

    Returns:
        A float from 0, all alike, to 2.
    """
    x = np.asarray(embeddings, np.float64)
    pictures = x.shape[1]
    off_diagonal = np.square(x.sum(1)).sum(1) - np.square(x).sum((1, 2))
    return float(np.mean(1 - off_diagonal / (pictures * (pictures - 1))))
