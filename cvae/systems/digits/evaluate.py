"""Measures a CLIP-VAE on test digits, beside the published weights: evaluation.json and a page of pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np

from cvae.evaluation.report import Report
from cvae.runs import Run
from cvae.systems.digits.generate import draw_labels, draw_noise, nearest_labels
from cvae.systems.digits.judge import classify, train_judge
from cvae.utils.arrays import in_batches
from cvae.utils.plots import save_grid
from preprocess.mnist import IMAGE_SIZE, LABELS, load_digits
from preprocess.utils.errors import check_whole
from preprocess.utils.files import write_json
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_keras

# Pictures that the judge sees: of each label, and of noise.
OF_LABEL, OF_NOISE = 500, 5000
# Samples of the importance-weighted bound.
SAMPLES = 100
BATCH = 500
EPSILON = 1e-7
PIXELS = IMAGE_SIZE**2


def log_likelihood(images: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """log p(x|z) in nats, summed over pixels: of images and the decoder's pictures (n, 28, 28, 1), float64 (n,)."""
    p = np.clip(np.asarray(pictures, np.float64), EPSILON, 1 - EPSILON)
    return np.sum(images * np.log(p) + (1 - images) * np.log(1 - p), axis=(1, 2, 3))


def log_gaussian(z: np.ndarray, mean: Any = 0.0, log_var: Any = 0.0) -> np.ndarray:
    """log N(z; mean, exp(log_var)) in nats, summed over the last axis."""
    return -0.5 * np.sum(np.log(2 * np.pi) + log_var + np.square(z - mean) / np.exp(log_var), axis=-1)


def bounds(
    model: Any,
    images: np.ndarray,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: Callable[[int], Any] | None = None,
) -> dict[str, float]:
    """Upper bounds on -log p(x) in nats an image: the VAE's, and the importance-weighted one (Burda et al. 2016).

    Args:
        model: has `encode_image` and `decode_image`.
        images: float32 (n, 28, 28, 1), of zeros and ones: the decoder's pictures are probabilities of a one.
        samples: of z an image; the importance-weighted bound falls with their number.
        seed: of the samples.
        progress: called with the number of images of each batch.

    Returns:
        {"bound", "bce", "kl", "importance_weighted"}, means; the first is the sum of the next two.
    """
    rng = np.random.default_rng(seed)
    size = max(1, BATCH // samples)
    parts = []
    for start in range(0, len(images), size):
        x = images[start : start + size]
        mean, log_var = (np.asarray(part, np.float64)[:, None] for part in model.encode_image(x))
        z = mean + np.exp(0.5 * log_var) * rng.standard_normal((len(x), samples, mean.shape[-1]))
        pictures = np.asarray(model.decode_image(z.reshape(-1, z.shape[-1]).astype(np.float32)))
        likelihood = log_likelihood(np.repeat(x, samples, axis=0), pictures).reshape(len(x), samples)
        weights = likelihood + log_gaussian(z) - log_gaussian(z, mean, log_var)
        kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=-1)[:, 0]
        parts.append(np.stack([-likelihood.mean(1), kl, -(np.logaddexp.reduce(weights, axis=1) - np.log(samples))]))
        if progress:
            progress(len(x))
    bce, kl, weighted = np.concatenate(parts, axis=1).mean(1)
    return {
        "bound": float(bce + kl),
        "bce": float(bce),
        "kl": float(kl),
        "importance_weighted": float(weighted),
    }


def encode_means(model: Any, images: np.ndarray) -> np.ndarray:
    """The means of the latents of images (n, 28, 28, 1): float32 (n, latent_dim)."""
    return in_batches(lambda batch: model.encode_image(batch)[0], images, size=BATCH)


def measure(
    model: Any,
    images: np.ndarray,
    labels: np.ndarray,
    judge: Any,
    count: int = 1000,
    seed: int = 0,
    progress: Callable[[int], Any] | None = None,
) -> dict[str, float]:
    """Measures a CLIP-VAE on test digits.

    Args:
        model: a `cvae.systems.digits.model.ClipVAE`.
        images, labels: float32 (n, 28, 28, 1) in [0, 1] and int (n,).
        judge: a classifier, see `cvae.systems.digits.judge`.
        count: images that the bounds are measured on, each pixel made 0 or 1 by lot with its own probability.
        seed: of noise and lots.
        progress: called with the number of images of each batch of the bounds.

    Returns:
        {"nearest_label_accuracy": of the means of the latents, "reconstruction_bce": nats a pixel from the means,
        "label_pictures_right": as the judge sees them, "noise_confidence": the judge's mean top probability for
        pictures of Gaussian noise}, and what `bounds` gives.
    """
    means = encode_means(model, images)
    label_means = np.asarray(model.encode_label(np.arange(LABELS))[0])
    asked = np.repeat(np.arange(LABELS), OF_LABEL)
    drawn = draw_labels(model, range(LABELS), OF_LABEL, seed).reshape(-1, IMAGE_SIZE, IMAGE_SIZE, 1)
    binarised = (np.random.default_rng(seed).random(images[:count].shape) < images[:count]).astype(np.float32)
    return {
        "nearest_label_accuracy": float(np.mean(nearest_labels(means, label_means) == labels)),
        "reconstruction_bce": float(-log_likelihood(images, in_batches(model.decode_image, means)).mean() / PIXELS),
        "label_pictures_right": float(np.mean(classify(judge, drawn).argmax(1) == asked)),
        "noise_confidence": float(classify(judge, draw_noise(model, OF_NOISE, seed)).max(1).mean()),
        **bounds(model, binarised, seed=seed, progress=progress),
    }


def evaluate(
    run: Run, data: str | None = None, count: int = 1000, seed: int = 0, published: str | None = None
) -> Report:
    """Measures a trained run on test digits, and writes evaluation.json and evaluation.png.

    Args:
        run: the run.
        data: see `preprocess.mnist.load_digits`; by default what the run was trained with.
        count: images that the bounds are measured on.
        seed: of noise and lots.
        published: the file of the published PyTorch weights, to be measured beside the run.

    Returns:
        A report on {"run", "published"}: see `measure`; "digits", "judge_accuracy", "count" and "seed".

    Raises:
        UserError: no such data or weights, or no model yet.
    """
    check_whole("count", count, 1)
    check_whole("seed", seed, 0)
    models = {"run": run.model()}
    if published:
        models["published"] = _published_model(published)
    digits = load_digits(data or run.config["data"])
    if run.config["checksum"] != digits.checksum():
        print(f"note: {run} was trained on other digits: {run.config['digits']}.")
    images, labels = digits.images["test"] / np.float32(255), digits.labels["test"]
    count = min(count, len(images))
    judge, accuracy = train_judge(digits, run.output)
    figures: dict[str, Any] = {
        "digits": digits.describe(), "judge_accuracy": accuracy, "count": count, "seed": seed,
    }  # fmt: skip
    with progress_bar(total=count * len(models), desc="measuring", unit="image") as bar:
        for name, model in models.items():
            figures[name] = measure(model, images, labels, judge, count, seed, bar.update)
    text = format_evaluation(figures)
    _paint(run, models["run"], images, labels, figures, text)
    write_json(run.output / "evaluation.json", figures)
    return Report(figures, text, f"{run.output}/evaluation.json and evaluation.png")


def _published_model(path: str) -> Any:
    import_keras()
    from cvae.systems.digits.model import ClipVAE

    return ClipVAE.from_torch(path)


def _paint(run: Run, model: Any, images: np.ndarray, labels: np.ndarray, figures: dict[str, Any], notes: str) -> None:
    # Test digits that lack a label are shown with another in its place.
    shown = images[[np.argmax(labels == label) for label in range(LABELS)]]
    reconstructions = in_batches(model.decode_image, encode_means(model, shown))
    of_labels = draw_labels(model, range(LABELS), 3, figures["seed"]).swapaxes(0, 1)
    of_noise = draw_noise(model, LABELS, figures["seed"])
    columns = np.stack([shown, reconstructions, *of_labels, of_noise])
    rows = ["test image", "its reconstruction", *["its label drawn"] * 3, "noise drawn"]
    save_grid(run.output / "evaluation.png", columns, rows, notes=notes)


def format_evaluation(result: dict[str, Any]) -> str:
    """The figures of `evaluate` as lines of text."""
    rows = (
        ("nearest_label_accuracy", "nearest label right", ".2%", "(+) of the latents' means, by cosine"),
        ("reconstruction_bce", "reconstruction", ".4f", "(-) nats a pixel, from the means"),
        ("label_pictures_right", "pictures of labels", ".2%", "(+) as the judge sees them"),
        ("noise_confidence", "pictures of noise", ".3f", "(+) the judge's top probability"),
        ("bound", "evidence bound", ".2f", "(-) nats an image, binarised; 89.9 on MNIST in Rezende and Mohamed 2015"),
        ("bce", "  bce", ".2f", ""),
        ("kl", "  kl", ".2f", ""),
        (
            "importance_weighted",
            f"bound of {SAMPLES} samples",
            ".2f",
            "(-) importance-weighted (Burda et al. 2016)",
        ),
    )
    models = [name for name in ("run", "published") if name in result]
    lines = [f"{'':<22} " + " ".join(f"{name:>10}" for name in models)]
    for key, label, form, note in rows:
        values = " ".join(f"{result[name][key]:>10{form}}" for name in models)
        lines.append(f"{label:<22} {values}  {note}".rstrip())
    lines.append(
        f"{result['digits']}; the judge is right on {result['judge_accuracy']:.2%}; bounds on {result['count']} "
        "images; (+) higher is better, (-) lower"
    )
    return "\n".join(lines)
