"""Measures a run on validation images: evaluation.json, and a page of pictures and figures.

The validation images were not trained on, but chose the best epoch; and where the model was trained with the encoder
that scores it, as usual, the scores flatter it. Compare them with those of other runs, and with what real images get.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from cvae.evaluation import metrics
from cvae.evaluation.held_out import HeldOut, read_held_out
from cvae.evaluation.report import Report
from cvae.registry import Variant
from cvae.runs import Run
from cvae.sampling.draw import draw, embed_images
from cvae.sampling.prompts import PROMPTS
from cvae.utils.arrays import in_batches, to_uint8
from cvae.utils.plots import save_grid
from preprocess.embedding.process import EncoderProcess
from preprocess.shards.info import DataInfo, read_info
from preprocess.shards.read import load
from preprocess.utils.datasets import streamed
from preprocess.utils.errors import UserError, check_whole
from preprocess.utils.files import write_json
from preprocess.utils.progress import progress_bar

# Pictures of each of the project's prompts, whose distances are the diversity.
DIVERSITY_PICTURES = 8
# Captions that R-precision chooses among.
CANDIDATES = 100
# With fewer images the distances are mostly chance.
FEW = 100
# Captions on the page, each with its photograph, its reconstruction and pictures.
SHOWN, SHOWN_PICTURES = 6, 4


def measure_loss(model: Any, info: DataInfo, variant: Variant, batch_size: int, seed: int) -> dict[str, float]:
    """The validation loss as training measures it, to which batches and noise belong.

    Args:
        model: has `example(image, embedding)`, what `evaluate` takes of them.

    Returns:
        {"loss" and its parts}; where bce is one of them also "nats_per_pixel", that over the number of pixels. A flow's
        has the loss alone, the squared error of its velocity.
    """
    from cvae.nn.precision import wants_xla
    from cvae.training.callbacks import SeedByEpoch

    data = load(info.folder, variant.image_size, variant.condition, "val", batch_size)

    def pairs():
        return (model.example(image, embedding) for image, embedding in data.as_numpy_iterator())

    model.compile(jit_compile=wants_xla())
    found = model.evaluate(streamed(pairs), steps=len(data), callbacks=[SeedByEpoch(seed)], return_dict=True, verbose=0)
    values = {name: float(value) for name, value in found.items()}
    return values | ({"nats_per_pixel": values["bce"] / variant.image_size**2} if "bce" in values else {})


def reconstruct(model: Any, images: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Encodes images and decodes the means of their latents.

    Args:
        model: has `encode` and `decode`.
        images: float32 (n, size, size, 3) in [0, 1]. embeddings: float32 (n, d), what goes with each of them.

    Returns:
        float32 (n, size, size, 3).
    """
    return in_batches(lambda image, own: model.decode(model.encode(image, own)[0], own), images, embeddings)


def measure_reconstructions(images: np.ndarray, reconstructions: np.ndarray) -> dict[str, float]:
    """{"psnr" in decibels, "ssim"}: means over images float32 (n, size, size, 3) in [0, 1]."""
    from cvae.nn import losses

    return {
        "psnr": float(np.mean(metrics.psnr(images, reconstructions))),
        "ssim": float(np.mean(in_batches(losses.ssim, images, reconstructions))),
    }


def score_pictures(
    pictures: np.ndarray, real: np.ndarray, texts: np.ndarray, ids: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """Measures pictures of captions in an encoder's space, beside what real images get.

    Args:
        pictures: float32 (n, d), the embeddings of one picture for each of n captions.
        real: float32 (m, d), the embeddings of the images, at the pictures' size.
        texts, ids: float32 (n, d), the captions' embeddings, and int (n,), which images they describe: the first m
            captions are one of each image, in their order.
        seed: of the candidates and of the halves.

    Returns:
        {"clip_score", "r_precision"}: {"pictures", "real", "shuffled"}, means over captions, of which the shuffled ones
        belong to other images. {"cmmd", "frechet"}: {"pictures", "real"}, the distances of pictures of one half of the
        images' captions, and of that half itself, to the other half. "captions", "real_images" and "candidates", how
        many there were; of the last R-precision's fewest.
    """
    count = len(real)
    other_ids = (ids + 1) % count
    others = texts[other_ids]
    order = np.random.default_rng(seed).permutation(count)
    first, second = order[: count // 2], order[count // 2 :]
    asked = {
        "pictures": (pictures, texts, ids),
        "real": (real[ids], texts, ids),
        "shuffled": (pictures, others, other_ids),
    }
    precision = {
        name: metrics.r_precision(embeddings, captions, ids, caption_ids, CANDIDATES, seed)
        for name, (embeddings, captions, caption_ids) in asked.items()
    }
    result = {
        "clip_score": {name: float(metrics.clip_score(*pair[:2]).mean()) for name, pair in asked.items()},
        "r_precision": {name: share for name, (share, _) in precision.items()},
        "captions": len(texts),
        "real_images": count,
        "candidates": min(fewest for _, fewest in precision.values()),
    }
    for name, distance in (("cmmd", metrics.cmmd), ("frechet", metrics.frechet_distance)):
        # Pictures take the place of one half, since both distances depend on how many there are.
        result[name] = {
            "pictures": distance(pictures[first], real[second]),
            "real": distance(real[first], real[second]),
        }
    return result


def evaluate(run: Run, data: str | None = None, count: int = 1000, seed: int = 0, clip: str | None = None) -> Report:
    """Measures a trained run on the validation images of its data, and writes evaluation.json and evaluation.png.

    Args:
        run: the run.
        data: a folder of embedded shards; by default the one that the run was trained with.
        count: captions that get a picture, at most.
        seed: of the noise, of R-precision's candidates and of the halves.
        clip: the encoder, if it has moved.

    Returns:
        A report on "validation" (see `measure_loss`), "reconstruction" (see `measure_reconstructions`), what
        `measure_pictures` gives; and "variant", "epoch", "data", "encoder" and "seed", what was measured.

    Raises:
        UserError: no such run or data, fewer than four validation images, or an encoder that is not the run's.
    """
    info = data_to_measure(run, data, count, seed)
    variant = run.variant
    with run.encoder.open(clip) as encoder:
        model = run.model()
        best = run.best_epoch()
        validation = measure_loss(model, info, variant, run.settings["batch_size"], run.settings["seed"])
        held_out = read_held_out(info, variant.image_size, count)
        scores = measure_pictures(model, held_out, encoder, seed)
    images = held_out.images / np.float32(255)
    reconstructions = reconstruct(model, images, held_out.conditions(variant.condition))
    figures = {
        "variant": run.variant_name,
        "epoch": best["epoch"],
        "data": str(info.folder),
        "encoder": run.encoder.clip["name"],
        "seed": seed,
        "validation": validation,
        "reconstruction": measure_reconstructions(images, reconstructions),
        **scores,
    }
    text = format_evaluation(figures)
    _paint(run, model, held_out, images, reconstructions, figures, text)
    write_json(run.output / "evaluation.json", figures)
    return Report(figures, text, f"{run.output}/evaluation.json and evaluation.png")


def data_to_measure(run: Run, data: str | None, count: int, seed: int) -> DataInfo:
    """The data that a run is measured on, if they can be measured; see `evaluate`."""
    check_whole("count", count, 4)
    check_whole("seed", seed, 0)
    run.find_model()
    encoder = run.encoder.clip
    info = read_info(data) if data else run.data_info("give --data their new place")
    if info.encoder.clip["weights_sha256"] != encoder["weights_sha256"]:
        raise UserError(f"{info.folder} was embedded by {info.encoder.clip['name']}, {run} needs {encoder['name']}.")
    if info.counts["val"] < 4:
        raise UserError(f"{info.folder} has too few validation images to measure anything; prepare more.")
    return info


def measure_pictures(
    model: Any, held_out: HeldOut, encoder: EncoderProcess, seed: int, real: np.ndarray | None = None
) -> dict[str, Any]:
    """Draws pictures of captions and of the project's prompts, and measures them in an encoder's space.

    Args:
        model: has `draw(noise, embedding)` and `latent_dim`. held_out: a `cvae.evaluation.held_out.HeldOut`.
        encoder: that of the held-out data. seed: see `evaluate`.
        real: float32 (m, d), embeddings of the held-out images at their size, where they are known already.

    Returns:
        What `score_pictures` gives, and "diversity", {"pictures", "theme", "real"}: of the pictures of one prompt, of
        as many real images whose captions are nearest to that prompt, and of all real images.
    """
    rng = np.random.default_rng(seed)
    count = len(PROMPTS) * DIVERSITY_PICTURES
    noise = rng.standard_normal((len(held_out.texts), model.latent_dim)).astype(np.float32)
    prompt_noise = rng.standard_normal((count, model.latent_dim)).astype(np.float32)
    prompts = encoder.encode_texts(list(PROMPTS))
    total = len(noise) + count + (len(held_out.images) if real is None else 0)
    with progress_bar(total=total, desc="drawing and embedding", unit="picture") as bar:
        pictures = embed_pictures(model, held_out.texts, noise, encoder, bar.update)
        real = embed_images(held_out.images, encoder, bar.update) if real is None else real
        asked = np.repeat(prompts, DIVERSITY_PICTURES, axis=0)
        many = embed_pictures(model, asked, prompt_noise, encoder, bar.update)
    # The first captions are one of each image.
    nearest = np.argsort(-prompts @ held_out.texts[: len(real)].T, axis=1)[:, :DIVERSITY_PICTURES]
    return score_pictures(pictures, real, held_out.texts, held_out.ids, seed) | {
        "diversity": {
            "pictures": metrics.diversity(many.reshape(len(PROMPTS), DIVERSITY_PICTURES, -1)),
            "theme": metrics.diversity(real[nearest]),
            "real": metrics.diversity(real[None]),
        }
    }


def embed_pictures(
    model: Any, embeddings: np.ndarray, noise: np.ndarray, encoder: EncoderProcess, progress: Callable[[int], Any]
) -> np.ndarray:
    """Draws a picture for each embedding (n, d) and noise (n, latent_dim), and embeds it again: float32 (n, d)."""
    return embed_images(to_uint8(in_batches(model.draw, noise, embeddings)), encoder, progress)


def _paint(
    run: Run,
    model: Any,
    held_out: HeldOut,
    images: np.ndarray,
    reconstructions: np.ndarray,
    figures: dict[str, Any],
    notes: str,
) -> None:
    shown = min(SHOWN, len(images))
    drawn = draw(model, held_out.texts[:shown], SHOWN_PICTURES, figures["seed"])
    rows = np.concatenate([images[:shown, None], reconstructions[:shown, None], drawn], axis=1)
    title = f"{figures['variant']}, epoch {figures['epoch']}"
    headings = ["image", "reconstruction", *(f"picture {number}" for number in range(1, SHOWN_PICTURES + 1))]
    save_grid(run.output / "evaluation.png", rows, held_out.captions[:shown], title, notes, headings)


def format_evaluation(result: dict[str, Any]) -> str:
    """The figures of `evaluate` as lines of text."""
    loss, reconstruction, diversity = result["validation"], result["reconstruction"], result["diversity"]
    lines = [
        f"validation loss (-) {loss['loss']:.1f} (bce {loss['bce']:.1f}, kl {loss['kl']:.1f}, "
        f"ssim {loss['ssim']:.3f}), {loss['nats_per_pixel']:.3f} nats a pixel"
        if "bce" in loss
        else f"validation loss (-) {loss['loss']:.4f}, the squared error of the velocity",
        f"reconstruction (+)  PSNR {reconstruction['psnr']:.2f} dB, SSIM {reconstruction['ssim']:.3f}",
    ]
    among = f"each among {result['candidates']}" if result["candidates"] > 1 else "none to choose among"
    for name, label, note in (("clip_score", "CLIPScore (+)", ""), ("r_precision", "R-precision (+)", f", {among}")):
        row = result[name]
        lines.append(
            f"{label:<19} {row['pictures']:.3f} (real images {row['real']:.3f}, shuffled captions "
            f"{row['shuffled']:.3f}; {result['captions']} captions{note})"
        )
    for name, label in (("cmmd", "CMMD (-)"), ("frechet", "Frechet (-)")):
        row = result[name]
        lines.append(
            f"{label:<19} {row['pictures']:.3f} (real images {row['real']:.3f}; "
            f"each {result['real_images'] // 2} to the other {result['real_images'] - result['real_images'] // 2})"
        )
    if result["real_images"] < FEW:
        lines.append(f"{'':<19} with fewer than {FEW} images these two say little")
    lines.append(
        f"diversity (+)       {diversity['pictures']:.3f} (real images of one theme {diversity['theme']:.3f}, all "
        f"{diversity['real']:.3f})"
    )
    lines.append("(+) higher is better, (-) lower is better")
    return "\n".join(lines)
