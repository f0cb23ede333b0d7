"""Variations of a photograph, and a photograph changed by a prompt: what unCLIP does with its embeddings."""

import pathlib

import numpy as np

from cvae.batches import in_batches
from cvae.generation import MANY, check_options, encoder_of, load_to_draw, slerp
from cvae.plots import save_pictures
from cvae.prompts import check_prompts
from cvae.runs import find_model, read_prompted_config
from cvae.variants import FLOWS, find_variant
from preprocess.errors import UserError, check_whole
from preprocess.files import check_no_file
from preprocess.images import read_square
from preprocess.records import CLIP_SIZE

# How far to turn from the photograph's embedding towards what the prompt says, unCLIP's furthest: at 1 nothing of the
# photograph is left.
REACH = 0.5


def vary(run, image, towards=None, count=4, seed=0, out=None, clip_spec=None, guidance=None, steps=None):
    """Draws other pictures of what a photograph shows, or the photograph on its way to a prompt.

    Args:
        run: the run folder of a flow.
        image: the photograph's file; its largest centred square counts.
        towards: a prompt, such as "in the snow"; None for variations.
        count: pictures.
        seed: of the variations' noise; on the way to a prompt the noise is the photograph's own.
        out: the output folder; by default `varied` in the run folder.
        clip_spec: the encoder, if it is not where it was when the data were embedded.
        guidance, steps: see `cvae.generation.load_to_draw`.

    Returns:
        The path of the grid, which begins with the photograph, as the numbered files do.

    Raises:
        UserError: no such run, or not of a flow; a file that is no image; an empty prompt; an encoder that is not the
            one the run was trained with.
    """
    check_whole("count", count, 1, MANY)
    check_whole("seed", seed, 0)
    if towards is not None:
        check_prompts([towards])
    variant = find_variant(read_prompted_config(run)["variant"])
    if variant.system != "flow":
        raise UserError(f"{run} is no flow's; name a run of {FLOWS}.")
    check_options(run, guidance, steps)
    find_model(run)
    folder = pathlib.Path(out or pathlib.Path(run) / "varied")
    check_no_file(folder)
    photograph = np.asarray(read_square(image, variant.image_size)) / np.float32(255)
    with encoder_of(run, clip_spec) as encoder:
        embedding = encoder.encode_images([read_square(image, CLIP_SIZE)])
        text = encoder.encode_texts([towards]) if towards else None
    model = load_to_draw(run, guidance, steps)
    if towards is None:
        label, pictures = "variations", draw_variations(model, embedding, count, seed)
    else:
        direction = np.asarray(model.prior.direction(text))[0]
        label, pictures = towards, draw_change(model, photograph, embedding[0], direction, count)
    name = pathlib.Path(image).stem
    rows = np.concatenate([photograph[None], pictures])[None]
    return save_pictures(folder, rows, [name], [label], headings=["given"], replace=not out)


def draw_variations(model, embedding, count, seed):
    """Pictures float32 (count, size, size, 3) of an image's embedding (1, d), by noises of their own.

    Args:
        model: a `cvae.latent_flow.LatentFlow`.
    """
    noise = np.random.default_rng(seed).standard_normal((count, model.latent_dim)).astype(np.float32)
    return model.draw_embeddings(noise, np.repeat(embedding, count, axis=0))


def draw_change(model, photograph, embedding, direction, count):
    """A photograph changed more and more, float32 (count, size, size, 3).

    The flow is followed backwards, from the photograph to the noise that it would be drawn from, and from there forward
    again, told embeddings turned from the photograph's own towards a direction: the text diffs of unCLIP (Ramesh et al.
    2022, arXiv 2204.06125, section 3.3).

    Args:
        model: a `cvae.latent_flow.LatentFlow`.
        photograph: float32 (size, size, 3) in [0, 1]. embedding: (d,), its own. direction: (d,), see
            `cvae.embedding_prior.EmbeddingPrior.direction`.
    """
    guidance, sampler = model.guidance, model.sampler
    latent = np.asarray(model.encode(photograph[None])[0])
    latent = (latent - np.asarray(model.center)) / np.asarray(model.scale)
    pictures = []
    try:
        # The more exact of the samplers: there and back, errors add up.
        model.guidance, model.sampler = 1.0, "heun"
        noise = model.integrate(latent, embedding[None], 0.0, 1.0)
        path = slerp(embedding, direction, round(count / REACH) + 1)[1 : count + 1]
        for step, turned in enumerate(path, 1):
            # Without guidance the way back would be the way there: it grows with the change.
            model.guidance = 1 + (guidance - 1) * step / count
            pictures.append(model.sample(noise, turned[None])[0])
    finally:
        model.guidance, model.sampler = guidance, sampler
    return in_batches(model.decode, np.stack(pictures))
