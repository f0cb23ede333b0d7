"""Measures a run on held-out images: evaluation.json, and a page of pictures and figures."""

import dataclasses
import pathlib

import numpy as np
from tqdm import tqdm

from cvae import metrics
from cvae.generation import draw
from cvae.plots import save_grid, to_uint8
from cvae.prompts import PROMPTS, open_encoder
from cvae.runs import load_model, read_config
from cvae.variants import find_variant
from preprocess.datasets import load, read_info
from preprocess.errors import UserError
from preprocess.files import write_json
from preprocess.quiet import import_tensorflow
from preprocess.records import captions_of, embeddings_of, read_shard

# Pictures of each of the project's prompts, whose distances are the diversity.
DIVERSITY_PICTURES = 8
# Captions that R-precision chooses among.
CANDIDATES = 100
BATCH_SIZE = 64
# Captions on the page, each with its photograph, its reconstruction and pictures.
SHOWN, SHOWN_PICTURES = 6, 4


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """Captions of the validation images of a data set.

    Attributes:
        captions: n strings: every image's first caption, then every image's second one, and so on.
        texts: float32 (n, d), their embeddings.
        images: float32 (n, d), the embeddings of the images that they describe.
        ids: int (n,), the numbers of those images, in the data's order.
    """

    captions: list
    texts: np.ndarray
    images: np.ndarray
    ids: np.ndarray

    @property
    def image_count(self):
        """The number of different images; the first so many rows have one each."""
        return len(np.unique(self.ids))


def read_held_out(info, limit):
    """Reads at most `limit` captions of the validation images of a `preprocess.datasets.DataInfo`, as `HeldOut`."""
    import_tensorflow()
    shards = [info.folder / name for name in info.shards if name.startswith("val")]
    rows = []
    for number, example in enumerate(example for shard in shards for example in read_shard(shard)):
        image, texts = embeddings_of(example)
        rows += [(rank, number, *row, image) for rank, row in enumerate(zip(captions_of(example), texts))]
    _, numbers, captions, texts, images = zip(*sorted(rows, key=lambda row: row[:2])[:limit])
    return HeldOut(list(captions), np.array(texts), np.array(images), np.array(numbers))


def measure_loss(model, info, variant, batch_size, seed):
    """The validation loss as training measures it, to which batches and noise belong.

    Returns:
        {"loss", "bce", "kl", "ssim", "nats_per_pixel"}; the last is the bce over the number of pixels.
    """
    from cvae.callbacks import SeedByEpoch

    data = load(info.folder, variant.image_size, variant.condition, "val", batch_size)
    pairs = data.map(lambda image, embedding: ((image, embedding),))
    model.compile()
    values = model.evaluate(pairs, callbacks=[SeedByEpoch(seed)], return_dict=True, verbose=0)
    values = {name: float(value) for name, value in values.items()}
    return values | {"nats_per_pixel": values["bce"] / variant.image_size**2}


def measure_reconstructions(model, info, variant, embeddings):
    """Reconstructs the first validation images from the means of their latents.

    Args:
        model: has `encode` and `decode`. info: a `preprocess.datasets.DataInfo`. variant: a `cvae.variants.Variant`.
        embeddings: float32 (n, d), what goes with each of the n images.

    Returns:
        ({"psnr" in decibels, "ssim"}, images, reconstructions): means over the images, and the first `SHOWN` of both,
        float32 (SHOWN, size, size, 3).
    """
    from cvae import losses

    psnrs, ssims, shown = [], [], ()
    batches = load(info.folder, variant.image_size, "image", "val", BATCH_SIZE).unbatch().take(len(embeddings))
    for start, (image, _) in enumerate(batches.batch(BATCH_SIZE).as_numpy_iterator()):
        embedding = embeddings[start * BATCH_SIZE :][: len(image)]
        mean, _ = model.encode(image, embedding)
        again = np.asarray(model.decode(mean, embedding))
        psnrs += list(metrics.psnr(image, again))
        ssims += list(np.asarray(losses.ssim(image, again)))
        shown = shown or (image[:SHOWN], again[:SHOWN])
    return {"psnr": float(np.mean(psnrs)), "ssim": float(np.mean(ssims))}, *shown


def embed_pictures(model, embeddings, noise, encoder, progress):
    """Draws a picture for each embedding and noise, and embeds it again.

    Args:
        model: has `decode(z, embedding)`.
        embeddings: float32 (n, d). noise: float32 (n, latent_dim).
        encoder: has `encode_images`.
        progress: called with the number of pictures of each batch.

    Returns:
        float32 (n, d), L2-normalised.
    """
    from PIL import Image

    parts = []
    for start in range(0, len(noise), BATCH_SIZE):
        part = slice(start, start + BATCH_SIZE)
        pictures = to_uint8(model.decode(noise[part], embeddings[part]))
        parts.append(encoder.encode_images([Image.fromarray(picture) for picture in pictures]))
        progress(len(pictures))
    return np.concatenate(parts)


def score_pictures(pictures, held_out, seed=0):
    """Measures pictures of held-out captions in the encoder's space, beside what real images get.

    Args:
        pictures: float32 (n, d), the embeddings of one picture for each of `held_out.captions`.
        held_out: a `HeldOut`.
        seed: of the candidates and of the halves.

    Returns:
        {"clip_score", "r_precision"}: {"pictures", "real", "shuffled"}, means over captions, of which the shuffled ones
        belong to other images. {"cmmd", "frechet"}: {"pictures", "real"}, the distances of pictures of one half of the
        images' captions, and of that half itself, to the other half. "captions" and "real_images", how many there were.
    """
    texts, images, count = held_out.texts, held_out.images, held_out.image_count
    others, other_ids = np.roll(texts, 1, axis=0), np.roll(held_out.ids, 1)
    order = np.random.default_rng(seed).permutation(count)
    first, second = order[: count // 2], order[count // 2 :]

    def precision(embeddings, captions, caption_ids):
        return metrics.r_precision(embeddings, captions, held_out.ids, caption_ids, CANDIDATES, seed)

    result = {
        "clip_score": {
            "pictures": float(metrics.clip_score(pictures, texts).mean()),
            "real": float(metrics.clip_score(images, texts).mean()),
            "shuffled": float(metrics.clip_score(pictures, others).mean()),
        },
        "r_precision": {
            "pictures": precision(pictures, texts, held_out.ids),
            "real": precision(images, texts, held_out.ids),
            "shuffled": precision(pictures, others, other_ids),
        },
        "captions": len(texts),
        "real_images": count,
    }
    for name, distance in (("cmmd", metrics.cmmd), ("frechet", metrics.frechet_distance)):
        # Pictures take the place of one half, since both distances depend on how many there are.
        result[name] = {
            "pictures": distance(pictures[first], images[second]),
            "real": distance(images[first], images[second]),
        }
    return result


def evaluate(run, data=None, count=1000, seed=0, clip_spec=None):
    """Measures a trained run on the validation images of its data, and writes evaluation.json and evaluation.png.

    Args:
        run: the run folder.
        data: a folder of embedded shards; by default the one that the run was trained with.
        count: at most so many captions get a picture.
        seed: of the noise, of R-precision's candidates and of the halves.
        clip_spec: the encoder, if it has moved.

    Returns:
        What evaluation.json holds: "validation" (see `measure_loss`), "reconstruction" (see `measure_reconstructions`),
        what `score_pictures` gives, and "diversity", {"pictures", "real"}: of the pictures of one prompt, and of all
        real images.

    Raises:
        UserError: no such run or data, fewer than four validation images, or an encoder that is not the run's.
    """
    if count < 4 or seed < 0:
        raise UserError("--count must be at least 4 and --seed at least 0.")
    config = read_config(run)
    settings = config["settings"]
    info = read_info(data or config["data"])
    if info.clip["weights_sha256"] != config["clip"]["weights_sha256"]:
        raise UserError(f"{info.folder} was embedded by {info.clip['name']}, {run} needs {config['clip']['name']}.")
    if info.counts["val"] < 4:
        raise UserError(f"{info.folder} has too few validation images to measure anything; prepare more.")
    held_out = read_held_out(info, count)
    model, variant = load_model(run), find_variant(config["variant"])

    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((len(held_out.captions), model.latent_dim)).astype(np.float32)
    prompt_noise = rng.standard_normal((len(PROMPTS) * DIVERSITY_PICTURES, model.latent_dim)).astype(np.float32)
    with (
        open_encoder(clip_spec or config["clip_spec"], config["clip"], config["precision"]) as encoder,
        tqdm(total=len(noise) + len(prompt_noise), desc="drawing and embedding", unit="picture") as bar,
    ):
        pictures = embed_pictures(model, held_out.texts, noise, encoder, bar.update)
        prompts = np.repeat(encoder.encode_texts(list(PROMPTS)), DIVERSITY_PICTURES, axis=0)
        many = embed_pictures(model, prompts, prompt_noise, encoder, bar.update)
    own = (held_out.texts if variant.condition == "text" else held_out.images)[: held_out.image_count]
    reconstruction, images, again = measure_reconstructions(model, info, variant, own)
    result = {
        "validation": measure_loss(model, info, variant, settings["batch_size"], settings["seed"]),
        "reconstruction": reconstruction,
        **score_pictures(pictures, held_out, seed),
        "diversity": {
            "pictures": metrics.diversity(many.reshape(len(PROMPTS), DIVERSITY_PICTURES, -1)),
            "real": metrics.diversity(held_out.images[None, : held_out.image_count]),
        },
        "seed": seed,
    }
    shown = min(SHOWN, held_out.image_count)
    drawn = draw(model, held_out.texts[:shown], SHOWN_PICTURES, seed)
    rows = np.concatenate([images[:shown, None], again[:shown, None], drawn], axis=1)
    title = f"{config['variant']}: held-out image, its reconstruction, {SHOWN_PICTURES} pictures of its caption"
    notes = format_evaluation(result)
    save_grid(pathlib.Path(run) / "evaluation.png", rows, held_out.captions[:shown], title, notes)
    write_json(pathlib.Path(run) / "evaluation.json", result)
    return result


def format_evaluation(result):
    """What `evaluate` gives as lines of text."""
    loss, again, diversity = result["validation"], result["reconstruction"], result["diversity"]
    lines = [
        f"validation loss  {loss['loss']:.1f} (bce {loss['bce']:.1f}, kl {loss['kl']:.1f}, ssim {loss['ssim']:.3f}), "
        f"{loss['nats_per_pixel']:.3f} nats a pixel",
        f"reconstruction   PSNR {again['psnr']:.2f} dB, SSIM {again['ssim']:.3f}",
    ]
    for name, label, digits in (("clip_score", "CLIPScore", 3), ("r_precision", "R-precision", 3)):
        row = result[name]
        lines.append(
            f"{label:<16} {row['pictures']:.{digits}f} (real images {row['real']:.{digits}f}, "
            f"shuffled captions {row['shuffled']:.{digits}f}; {result['captions']} captions)"
        )
    for name, label in (("cmmd", "CMMD"), ("frechet", "Frechet")):
        row = result[name]
        lines.append(
            f"{label:<16} {row['pictures']:.3f} (real images {row['real']:.3f}; "
            f"each {result['real_images'] // 2} to the other {result['real_images'] - result['real_images'] // 2})"
        )
    lines.append(f"diversity        {diversity['pictures']:.3f} (all real images {diversity['real']:.3f})")
    return "\n".join(lines)
