"""From prompts to pictures, for every system that draws from prompts."""

import concurrent.futures
from collections.abc import Iterator
from typing import Any

import numpy as np

from cvae.runs import Run
from cvae.sampling.draw import draw, keep_closest, noise_of
from cvae.sampling.options import BEST_OF, MANY
from cvae.sampling.pictures import Pictures
from cvae.sampling.prompts import check_prompts
from preprocess.utils.errors import UserError, check_whole
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_keras


def check_request(prompts: list[str], count: int, seed: int, best_of: int | None = None) -> None:
    """Raises a UserError for what cannot be drawn: no or empty prompts, no or too many pictures, a negative seed."""
    check_whole("count", count, 1, MANY)
    check_whole("seed", seed, 0)
    check_prompts(prompts)
    if best_of is not None:
        BEST_OF.check(best_of, "run")
        if best_of < count:
            raise UserError(f"--best-of {best_of} is fewer than --count {count}; give more, or a smaller --count.")


def generate(
    run: Run,
    prompts: list[str],
    count: int = 4,
    seed: int = 0,
    clip: str | None = None,
    best_of: int | None = None,
    **options: Any,
) -> Pictures:
    """Draws pictures for prompts with a trained run.

    Args:
        run: the run.
        prompts: texts.
        count: pictures a prompt.
        seed: the same seed draws the same pictures.
        clip: the encoder, if it is not where it was when the data were embedded.
        best_of: pictures to draw of each prompt, of which those that the encoder finds closest are kept.
        **options: see the `open_drawer` of the run's variant.

    Raises:
        UserError: an empty prompt, options that cannot be, no model yet, or an encoder that is not the one the run was
            trained with.
    """
    return Pictures(draw_prompts(run, prompts, count, seed, clip, best_of, **options), prompts)


def draw_prompts(
    run: Run,
    prompts: list[str],
    count: int,
    seed: int,
    clip: str | None = None,
    best_of: int | None = None,
    **options: Any,
) -> np.ndarray:
    """As `generate`: float32 (n, count, size, size, 3) in [0, 1]."""
    check_request(prompts, count, seed, best_of)
    run.find_model()
    total = len(prompts) * (2 * best_of if best_of else count)
    # The bar is shown while model and encoder are loaded, which takes longer than drawing.
    with progress_bar(total=total, desc="loading", unit="picture") as bar:
        if best_of:
            return _draw_best(run, prompts, count, seed, clip, best_of, options, bar)
        # The encoder's process starts PyTorch while this one starts Keras: half the waiting. The model follows when
        # the encoder has left, since both want the GPU's memory.
        with concurrent.futures.ThreadPoolExecutor(1) as background:
            encoded = background.submit(run.condition, prompts, clip)
            import_keras()
            conditions = encoded.result()
        drawer = run.open_drawer(**options)
        bar.set_description("drawing", refresh=False)
        return draw(drawer, conditions, count, seed, bar.update)


def draw_in_steps(run: Run, prompt: str, count: int, seed: int, **options: Any) -> Iterator[np.ndarray]:
    """Draws pictures of a prompt, and yields what they are like after each step, where there are steps.

    Args:
        run: the run. prompt: a text. Others: see `generate`.

    Yields:
        float32 (count, size, size, 3) in [0, 1]; the last are those of `generate`, but for rounding.

    Raises:
        UserError: see `generate`.
    """
    check_request([prompt], count, seed)
    run.find_model()
    conditions = np.repeat(run.condition([prompt]), count, axis=0)
    drawer = run.open_drawer(**options)
    noise = noise_of(drawer, count, seed)
    if hasattr(drawer, "draw_in_steps"):
        yield from drawer.draw_in_steps(noise, conditions)
    else:
        yield np.asarray(drawer.draw(noise, conditions))


def _draw_best(
    run: Run, prompts: list[str], count: int, seed: int, clip: str | None, best_of: int, options: Any, bar: Any
) -> np.ndarray:
    with run.encoder.open(clip) as encoder:
        texts = encoder.encode_texts(list(prompts))
        # The conditions of most variants are these embeddings, which are not made twice.
        conditions = run.condition_by(
            lambda asked: texts if asked == list(prompts) else encoder.encode_texts(asked), prompts
        )
        drawer = run.open_drawer(**options)
        bar.set_description("drawing", refresh=False)
        pictures = draw(drawer, conditions, best_of, seed, bar.update)
        bar.set_description("choosing", refresh=False)
        return keep_closest(pictures, texts, count, encoder, bar.update)
