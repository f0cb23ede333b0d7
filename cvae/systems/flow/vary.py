"""Variations of a photograph, and a photograph changed by a prompt: what unCLIP does with its embeddings."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from cvae.runs import Run
from cvae.sampling.draw import noise_of
from cvae.sampling.options import MANY
from cvae.sampling.pictures import Pictures, slug
from cvae.sampling.prompts import check_prompts
from cvae.utils.arrays import in_batches, slerp
from preprocess.shards.images import read_square
from preprocess.shards.records import CLIP_SIZE
from preprocess.utils.errors import check_whole
from preprocess.utils.quiet import import_keras

# How far to turn from the photograph's embedding towards what the prompt says, unCLIP's furthest: at 1 nothing of the
# photograph is left.
REACH = 0.5
# Of an image that is drawn anew with other conditions.
REDRAWING_GUIDANCE, REDRAWING_STEPS = 2.0, 20
# On the way to a prompt; as much as from nothing gives garish colours.
CHANGING_GUIDANCE = 3.0


def vary(
    run: Run,
    image: str | pathlib.Path,
    towards: str | None = None,
    count: int = 4,
    seed: int = 0,
    clip: str | None = None,
    guidance: float | None = None,
    steps: int | None = None,
) -> Pictures:
    """Draws other pictures of what a photograph shows, or the photograph on its way to a prompt.

    Args:
        run: a flow's run.
        image: the photograph's file; its largest centred square counts.
        towards: a prompt, such as "in the snow"; None for variations.
        count: pictures.
        seed: of the variations' noise; on the way to a prompt the noise is the photograph's own.
        clip: the encoder, if it is not where it was when the data were embedded.
        guidance, steps: see `cvae.nn.samplers.SamplerOptions`.

    Returns:
        One row, which begins with the photograph.

    Raises:
        UserError: a run that has no model yet; a file that is no image; an empty prompt; an encoder that
            is not the one the run was trained with.
    """
    check_whole("count", count, 1, MANY)
    check_whole("seed", seed, 0)
    if towards is not None:
        check_prompts([towards])
    run.find_model()
    photograph = np.asarray(read_square(image, run.variant.image_size)) / np.float32(255)
    with run.encoder.open(clip) as encoder:
        embedding = encoder.encode_images([read_square(image, CLIP_SIZE)])
        text = encoder.encode_texts([towards]) if towards else None
    import_keras()
    from cvae.systems.flow.draw import sampler_options

    model = run.model()
    if guidance is None and towards:
        guidance = min(CHANGING_GUIDANCE, model.options.guidance)
    options = sampler_options(model, guidance, steps)
    if towards is None:
        label, pictures = "variations", draw_variations(model, embedding, count, seed, options)
    else:
        direction = np.asarray(model.prior.direction(text))[0]
        label, pictures = towards, draw_change(model, photograph, embedding[0], direction, count, options)
    rows = np.concatenate([photograph[None], pictures])[None]
    return Pictures(rows, [label], [slug(pathlib.Path(image).stem)], headings=["given"])


def draw_variations(model: Any, embedding: np.ndarray, count: int, seed: int, options: Any) -> np.ndarray:
    """Pictures float32 (count, size, size, 3) of an image's embedding (1, d), by noises of their own.

    Args:
        model: a `cvae.systems.flow.model.LatentFlow`. options: `cvae.nn.samplers.SamplerOptions`.
    """
    return model.draw_embeddings(noise_of(model, count, seed), np.repeat(embedding, count, axis=0), options)


def draw_change(
    model: Any, photograph: np.ndarray, embedding: np.ndarray, direction: np.ndarray, count: int, options: Any
) -> np.ndarray:
    """A photograph changed more and more, float32 (count, size, size, 3).

    The flow is followed backwards, from the photograph to the noise that it would be drawn from, and from there forward
    again, conditioned on embeddings turned from the photograph's own towards a direction: the text diffs of unCLIP
    (Ramesh et al. 2022, arXiv 2204.06125, section 3.3).

    Args:
        model: a `cvae.systems.flow.model.LatentFlow`. options: `cvae.nn.samplers.SamplerOptions`; the sampler is Heun's
            in any case.
        photograph: float32 (size, size, 3) in [0, 1]. embedding: (d,), its own. direction: (d,), see
            `cvae.systems.flow.embedding_prior.EmbeddingPrior.direction`.
    """
    noise = noise_behind(model, photograph, embedding, options.steps)
    path = slerp(embedding, direction, round(count / REACH) + 1)[1 : count + 1]
    # Without guidance the way back would be the way there: it grows with the change.
    latents = [
        model.sample(noise, turned[None], _exactly(options, 1 + (options.guidance - 1) * step / count))[0]
        for step, turned in enumerate(path, 1)
    ]
    return in_batches(model.decode, np.stack(latents))


def redraw(model: Any, image: np.ndarray, condition: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws an image anew with other conditions, from the noise that it would be drawn from with its own.

    Args:
        model: a `cvae.systems.flow.model.LatentFlow`.
        image: float32 (size, size, 3) in [0, 1]. condition: float32 (c,), what goes with it.
        others: float32 (n, c), what to draw it with instead.

    Returns:
        (float32 (size, size, 3), the image there and back; float32 (n, size, size, 3), the pictures).
    """
    conditions = model.guess(None, np.concatenate([condition[None], others]))
    own, rest = conditions[:1], conditions[1:]
    options = dataclasses.replace(model.options, steps=REDRAWING_STEPS, interval=(0.0, 1.0))
    noise = noise_behind(model, image, own[0], REDRAWING_STEPS)
    there_and_back = model.sample(noise, own, _exactly(options, 1.0))
    guided = _exactly(options, REDRAWING_GUIDANCE)
    redrawn = in_batches(lambda z, other: model.sample(z, other, guided), np.repeat(noise, len(rest), axis=0), rest)
    pictures = in_batches(model.decode, np.concatenate([there_and_back, redrawn]))
    return pictures[0], pictures[1:]


def noise_behind(model: Any, image: np.ndarray, condition: np.ndarray, steps: int) -> np.ndarray:
    """The noise (1, *shape) that a flow draws an image (size, size, 3) from for a condition (c,): backwards."""
    latent = np.asarray(model.encode(image[None])[0])
    latent = (latent - np.asarray(model.center)) / np.asarray(model.scale)
    options = dataclasses.replace(model.options, steps=steps)
    return model.integrate(latent, condition[None], 0.0, 1.0, _exactly(options, 1.0))


def _exactly(options, guidance):
    # The most exact of the samplers: there and back, errors add up.
    return dataclasses.replace(options, guidance=guidance, sampler="heun")
