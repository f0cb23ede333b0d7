"""Measures a model of faces: evaluation.json, and a page of pictures and figures."""

from typing import Any

import numpy as np

from cvae.evaluation import metrics
from cvae.evaluation.photos import data_to_measure, measure_reconstructions, reconstruct
from cvae.evaluation.report import Report
from cvae.runs import Run
from cvae.sampling.draw import draw, noise_of
from cvae.systems.faces.conditions import PROMPTS
from cvae.systems.faces.judge import JUDGED, JUDGED_PLACES, balanced_accuracy, see, train_judge
from cvae.systems.faces.portraits import Portraits, read_portraits
from cvae.utils.arrays import in_batches
from cvae.utils.plots import save_grid
from preprocess.utils.errors import UserError
from preprocess.utils.files import write_json

# Pictures of each of the project's prompts, whose distances are the diversity.
DIVERSITY_PICTURES = 8
# Validation portraits on the page, each with its reconstruction and pictures of its attributes.
SHOWN, SHOWN_PICTURES = 6, 4


def scaled(features: np.ndarray) -> np.ndarray:
    """Features (n, d) brought to length 1."""
    return features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-9)


def score_portraits(
    judge: Any, pictures: np.ndarray, asked: np.ndarray, real: np.ndarray, real_attributes: np.ndarray
) -> dict[str, Any]:
    """Measures pictures by the judge, beside what real portraits get.

    Args:
        judge: of `cvae.systems.faces.judge.train_judge`.
        pictures: float32 (n, 64, 64, 3) in [0, 1]. asked: (n, 40), their attributes, 0 or 1.
        real: float32 (2n, 64, 64, 3), portraits that the judge has not seen. real_attributes: (2n, 40).

    Returns:
        {"attributes": {name: {"pictures", "real"}}, balanced accuracies of those of `JUDGED` that can be measured;
        "frechet", "cmmd": {"pictures", "real"}, the distances of the pictures, and of one half of the real portraits,
        to the other half, in the judge's features: to be compared only under the same judge and at equal numbers}.
    """
    logits, features = see(judge, pictures)
    real_logits, real_features = see(judge, real)
    right = balanced_accuracy(logits > 0, asked)[JUDGED_PLACES]
    real_right = balanced_accuracy(real_logits > 0, real_attributes)[JUDGED_PLACES]
    first, second = np.split(real_features, 2)
    result: dict[str, Any] = {
        "attributes": {
            name: {"pictures": float(ours), "real": float(judges)}
            for name, ours, judges in zip(JUDGED, right, real_right)
            # An attribute that all have, or none, cannot be measured.
            if np.isfinite(ours) and np.isfinite(judges)
        }
    }
    for name, distance in (
        ("frechet", metrics.frechet_distance),
        ("cmmd", lambda x, y: metrics.cmmd(scaled(x), scaled(y))),
    ):
        result[name] = {"pictures": distance(features, second), "real": distance(first, second)}
    return result


def mean_accuracy(attributes: dict[str, Any], names: tuple[str, ...] = JUDGED) -> dict[str, float]:
    """The mean of `names` in what `score_portraits` gives as "attributes": {"pictures", "real"}, of those it has."""
    rows = [attributes[name] for name in names if name in attributes] or [{"pictures": np.nan, "real": np.nan}]
    return {key: float(np.mean([row[key] for row in rows])) for key in ("pictures", "real")}


def evaluate(run: Run, data: str | None = None, count: int = 1000, seed: int = 0, clip: str | None = None) -> Report:
    """Measures a trained model of faces, and writes evaluation.json and evaluation.png.

    The judge is kept beside the run, for other runs on the same data.

    Args:
        run: the run.
        data: a folder of embedded portraits; by default the one that the run was trained with.
        count: pictures, at most: one for what each validation portrait has.
        seed: of the noise.
        clip: the encoder, if it has moved; not needed for models conditioned on attributes alone.

    Returns:
        A report on what `score_portraits` gives; "diversity", {"pictures", "real"}: of the pictures of one prompt, and
        of all real portraits; "reconstruction", see `cvae.evaluation.photos.measure_reconstructions`, of a model that
        encodes; and "variant", "epoch", "data", "count" and "seed", what was measured.

    Raises:
        UserError: no such data, no model yet, or too few portraits.
    """
    info = data_to_measure(run, data, count, seed)
    if not info.attributes or run.variant.image_size not in info.sizes:
        raise UserError(f"{info.folder} holds no portraits of 64 px; make them with `python -m preprocess.celeba`.")
    count = min(count, info.counts["val"], info.counts["train"] // 2)
    if count < 4:
        raise UserError(f"{info.folder} has too few portraits to measure anything; prepare more.")
    # First: the encoder, where it is needed, is a process of its own and wants the GPU's memory too.
    prompted = run.condition(list(PROMPTS), clip)
    model = run.model()
    judge = train_judge(info, run.output.parent)
    portraits, real = read_portraits(info, "val", count), read_portraits(info, "train", 2 * count)
    conditions = portraits.conditions(run.variant.condition)
    pictures = in_batches(model.draw, noise_of(model, count, seed), conditions)
    many = draw(model, prompted, DIVERSITY_PICTURES, seed)
    _, many_features = see(judge, many.reshape(-1, *many.shape[2:]))
    real_images = real.images / np.float32(255)
    figures = {
        "variant": run.variant_name,
        "epoch": run.best_epoch()["epoch"],
        "data": str(info.folder),
        "count": count,
        "seed": seed,
        **score_portraits(judge, pictures, portraits.attributes, real_images, real.attributes),
        "diversity": {
            "pictures": metrics.diversity(scaled(many_features).reshape(*many.shape[:2], -1)),
            "real": metrics.diversity(scaled(see(judge, real_images)[1])[None]),
        },
    }
    reconstructions = None
    if hasattr(model, "encode"):
        images = portraits.images / np.float32(255)
        reconstructions = reconstruct(model, images, conditions)
        figures["reconstruction"] = measure_reconstructions(images, reconstructions)
    text = format_evaluation(figures)
    _paint(run, model, portraits, conditions, reconstructions, figures, text)
    write_json(run.output / "evaluation.json", figures)
    return Report(figures, text, f"{run.output}/evaluation.json and evaluation.png")


def _paint(
    run: Run,
    model: Any,
    portraits: Portraits,
    conditions: np.ndarray,
    reconstructions: np.ndarray | None,
    figures: dict[str, Any],
    notes: str,
) -> None:
    shown = min(SHOWN, len(conditions))
    columns = [portraits.images[:shown, None] / np.float32(255)]
    headings = ["portrait"]
    if reconstructions is not None:
        columns.append(reconstructions[:shown, None])
        headings.append("reconstruction")
    columns.append(draw(model, conditions[:shown], SHOWN_PICTURES, figures["seed"]))
    headings += [f"picture {number}" for number in range(1, SHOWN_PICTURES + 1)]
    title = f"{figures['variant']}, epoch {figures['epoch']}"
    labels = portraits.captions[:shown]
    save_grid(run.output / "evaluation.png", np.concatenate(columns, 1), labels, title, notes, headings)


def format_evaluation(result: dict[str, Any]) -> str:
    """The figures of `evaluate` as lines of text."""
    lines = [f"{'':<22} {'pictures':>9} {'real':>9}"]
    for name, row in result["attributes"].items():
        lines.append(f"{name:<22} {row['pictures']:>9.1%} {row['real']:>9.1%}")
    mean = mean_accuracy(result["attributes"])
    lines.append(f"{'all of these (+)':<22} {mean['pictures']:>9.1%} {mean['real']:>9.1%}  50 % is chance")
    for name, label in (("frechet", "Frechet (-)"), ("cmmd", "CMMD (-)"), ("diversity", "diversity (+)")):
        lines.append(f"{label:<22} {result[name]['pictures']:>9.3f} {result[name]['real']:>9.3f}")
    if "reconstruction" in result:
        row = result["reconstruction"]
        lines.append(f"{'reconstruction (+)':<22} PSNR {row['psnr']:.2f} dB, SSIM {row['ssim']:.3f}")
    lines.append(
        f"{result['count']} pictures, judged by a classifier of validation portraits; (+) higher is better, (-) lower"
    )
    return "\n".join(lines)
