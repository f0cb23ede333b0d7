"""From prompts to pictures."""

import pathlib
import re

import numpy as np
from tqdm import tqdm

from cvae.batches import in_batches
from cvae.learned_prior import with_flow_prior
from cvae.plots import save_pictures, to_uint8
from cvae.prompts import check_prompts, condition_prompts, open_encoder
from cvae.runs import find_model, load_model, read_prompted_config
from cvae.variants import FLOWS, find_variant
from preprocess.errors import UserError, check_whole
from preprocess.files import check_no_file

# Pictures a prompt, and steps, at most: what more of them would take is no longer worth the waiting, or the memory.
MANY = 1000


def draw(model, embeddings, count, seed, progress=None):
    """Draws `count` pictures for each embedding.

    The noise depends on the seed and on the picture's number alone: every prompt gets the same noises, and asking for
    more pictures leaves the first ones as they were.

    Args:
        model: has `draw(noise, condition)` and `latent_dim`.
        embeddings: float32 (n, d).
        count: pictures an embedding.
        seed: of the noise.
        progress: called with the number of pictures of each batch.

    Returns:
        float32 (n, count, size, size, 3) in [0, 1].
    """
    noise = np.random.default_rng(seed).standard_normal((count, model.latent_dim)).astype(np.float32)
    noises = np.tile(noise, (len(embeddings), 1))
    conditions = np.repeat(embeddings, count, axis=0)
    pictures = in_batches(model.draw, noises, conditions, progress=progress)
    return pictures.reshape(len(embeddings), count, *pictures.shape[1:])


def check_request(prompts, count, seed):
    """Raises a UserError for what cannot be drawn: no or empty prompts, no or too many pictures, a negative seed."""
    check_whole("count", count, 1, MANY)
    check_whole("seed", seed, 0)
    check_prompts(prompts)


def embed_images(images, encoder, progress):
    """Embeds uint8 images (n, size, size, 3) in batches: float32 (n, d). `progress` gets each batch's number."""
    from PIL import Image

    def embed(batch):
        return encoder.encode_images([Image.fromarray(image) for image in batch])

    return in_batches(embed, images, progress=progress)


def check_options(run, guidance=None, steps=None, prior=None):
    """Raises a UserError for options of drawing that a run's model has no use for."""
    config = read_prompted_config(run)
    variant = find_variant(config["variant"])
    if prior and prior not in variant.priors:
        choices = f"one of: {', '.join(variant.priors)}" if variant.priors else "its own; leave it out"
        raise UserError(f"--prior of a {config['variant']} is {choices}.")
    if variant.system != "flow" and (guidance is not None or steps is not None):
        raise UserError(f"--guidance and --steps are for {FLOWS}; {run} is a {config['variant']}.")
    if guidance is not None and not 0 <= guidance <= 20:
        raise UserError("--guidance must be a number from 0 to 20.")
    if steps is not None:
        check_whole("steps", steps, 1, MANY)


def load_to_draw(run, guidance=None, steps=None, prior=None):
    """A run's model, which draws as asked.

    Args:
        run: the run folder.
        guidance: of a flow, how far to go from what any picture would be to what is asked for: 1 is no further than
            the data go, and more is plainer and less varied; by default, that of `cvae.rectified_flow`.
        steps: of a flow, from noise to picture; by default, those of `cvae.rectified_flow`.
        prior: of a flow, which `cvae.embedding_prior` leads from texts to images. "flow" draws a CVAE's latents as they
            go with the prompt, and for a flow an image's embedding; it trains what is needed for that the first time.

    Returns:
        What `draw` draws with: it has `draw(noise, embeddings)` and `latent_dim`.

    Raises:
        UserError: no such run, options that its model has no use for, or data gone that a prior would be trained on.
    """
    check_options(run, guidance, steps, prior)
    model = load_model(run)
    if guidance is not None:
        model.guidance = guidance
    if steps is not None:
        model.steps = steps
    if prior == "flow":
        return with_flow_prior(run, model)
    if prior:
        model.prior.kind = prior
    return model


def keep_closest(pictures, texts, count, encoder, progress=None):
    """Keeps the pictures of each prompt that an encoder finds closest to it, the closest first.

    Args:
        pictures: float32 (n, many, size, size, 3). texts: float32 (n, d), the prompts' embeddings.
        count: pictures to keep. encoder, progress: see `embed_images`.

    Returns:
        float32 (n, count, size, size, 3).
    """
    many = pictures.shape[1]
    embeddings = embed_images(to_uint8(pictures.reshape(-1, *pictures.shape[2:])), encoder, progress)
    closeness = np.einsum("nmd,nd->nm", embeddings.reshape(-1, many, embeddings.shape[-1]), texts)
    order = np.argsort(-closeness, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(pictures, order[:, :, None, None, None], axis=1)


def draw_prompts(run, prompts, count, seed, clip_spec=None, best_of=None, **options):
    """Draws `count` pictures for each prompt with a trained run, under a bar; see `generate` and `draw`."""
    check_request(prompts, count, seed)
    check_options(run, **options)
    if best_of is not None:
        check_whole("best-of", best_of, 1, MANY)
        if best_of < count:
            raise UserError(f"--best-of {best_of} is fewer than --count {count}; give more, or a smaller --count.")
        if find_variant(read_prompted_config(run)["variant"]).system == "portraits":
            raise UserError(f"--best-of is for photographs; leave it out for the portraits of {run}.")
    find_model(run)
    total = len(prompts) * (2 * best_of if best_of else count)
    # The bar stands there while model and encoder are loaded, which takes longer than drawing.
    with tqdm(total=total, desc="loading", unit="picture") as bar:
        if not best_of:
            embeddings = condition_for(run, prompts, clip_spec)
            model = load_to_draw(run, **options)
            bar.set_description("drawing")
            return draw(model, embeddings, count, seed, bar.update)
        with encoder_of(run, clip_spec) as encoder:
            texts = encoder.encode_texts(list(prompts))
            model = load_to_draw(run, **options)
            bar.set_description("drawing")
            pictures = draw(model, texts, best_of, seed, bar.update)
            bar.set_description("choosing")
            return keep_closest(pictures, texts, count, encoder, bar.update)


def encoder_of(run, clip_spec=None):
    """The encoder that a run's data were embedded with: see `cvae.prompts.open_encoder`."""
    config = read_prompted_config(run)
    return open_encoder(clip_spec or config["clip_spec"], config["clip"], config["precision"])


def condition_for(run, prompts, clip_spec=None):
    """What a run's model is told for prompts, float32 (n, c): see `cvae.prompts.condition_prompts`."""
    config = read_prompted_config(run)
    condition = find_variant(config["variant"]).condition
    return condition_prompts(prompts, condition, clip_spec or config["clip_spec"], config["clip"], config["precision"])


def slerp(start, end, steps):
    """Interpolates between two vectors along the sphere (Shoemake 1985), lengths linearly.

    For unit vectors such as embeddings this stays on the unit sphere; for latents drawn from a Gaussian it keeps to the
    lengths that they have, where a straight line would pass nearer to the origin.

    Args:
        start, end: float (d,), not opposite to each other: no path between those is the shortest.
        steps: vectors to return, the two ends included.

    Returns:
        float32 (steps, d).
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    a, b = start / lengths[0], end / lengths[1]
    angle = np.arccos(np.clip(a @ b, -1, 1))
    t = np.linspace(0, 1, steps)[:, None]
    # For parallel vectors both sines vanish, and a straight line is the same.
    directions = (
        (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle) if angle > 1e-4 else a + t * (b - a)
    )
    return (directions * (lengths[0] + t * (lengths[1] - lengths[0]))).astype(np.float32)


def combine(plus, minus=()):
    """Sums and differences of embeddings, such as "sheep on grass" - grass + snow, brought back to length 1.

    Args:
        plus, minus: sequences of float (d,).

    Returns:
        float32 (d,).

    Raises:
        UserError: nothing is left.
    """
    total = np.sum(plus, axis=0) - np.sum(minus, axis=0) if len(minus) else np.sum(plus, axis=0)
    length = np.linalg.norm(total)
    if length < 1e-4:
        raise UserError("the prompts cancel each other out; subtract another one.")
    return (total / length).astype(np.float32)


def _slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "prompt"


def generate(run, prompts, count=4, seed=0, out=None, clip_spec=None, best_of=None, **options):
    """Draws pictures for prompts with a trained run: a labelled grid and one PNG a picture.

    Args:
        run: the run folder.
        prompts: strings.
        count: pictures a prompt.
        seed: the same seed draws the same pictures.
        out: the output folder; by default `generated` in the run folder, which holds the last call's pictures only.
        clip_spec: the encoder, if it is not where it was when the data were embedded.
        best_of: draw so many a prompt, and keep those that the encoder finds closest.
        **options: see `load_to_draw`.

    Returns:
        The path of the grid.

    Raises:
        UserError: no such run, an empty prompt, or an encoder that is not the one the run was trained with.
    """
    folder = pathlib.Path(out or pathlib.Path(run) / "generated")
    check_no_file(folder)
    rows = draw_prompts(run, prompts, count, seed, clip_spec, best_of, **options)
    names = [f"{number:02d}-{_slug(prompt)}" for number, prompt in enumerate(prompts, 1)]
    return save_pictures(folder, rows, names, prompts, replace=not out)
