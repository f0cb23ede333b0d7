"""Changes attributes of a portrait: encodes it, and draws it again with others."""

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from cvae.registry import resolve
from cvae.runs import Run
from cvae.sampling.pictures import Pictures
from cvae.sampling.prompts import check_prompts
from cvae.systems.faces.conditions import condition_attributes, note_no_attributes
from cvae.systems.faces.judge import MAX_PORTRAITS, guess, train_judge
from cvae.systems.faces.portraits import IMAGE_SIZE, read_portraits
from preprocess.celeba.attributes import ATTRIBUTES, HAIR_COLOURS, describe, find_attribute, vector_of
from preprocess.shards.images import read_square
from preprocess.utils.errors import UserError

# The mean change of a pixel, of 255, below which nobody sees that anything changed.
INVISIBLE = 1.0


def change(attributes: np.ndarray, name: str, value: int) -> np.ndarray:
    """A copy of attributes float32 (40,) with one set to 0 or 1; a new colour of the hair takes the place of the old.

    Raises:
        UserError: an unknown name; the nearest is suggested.
    """
    name = find_attribute(name)
    changed = np.array(attributes, np.float32)
    if value and name in HAIR_COLOURS:
        changed[[ATTRIBUTES.index(colour) for colour in HAIR_COLOURS]] = 0
    changed[ATTRIBUTES.index(name)] = value
    return changed


def edit_image(
    model: Any, image: np.ndarray, condition: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a portrait anew with other conditions, its latent kept.

    Args:
        model: has `encode` and `decode`.
        image: float32 (64, 64, 3) in [0, 1]. condition: float32 (c,), what goes with it.
        others: float32 (n, c), what to draw it with instead.

    Returns:
        (float32 (64, 64, 3), the reconstruction; float32 (n, 64, 64, 3), the pictures).
    """
    mean, _ = model.encode(image[None], condition[None])
    conditions = np.concatenate([condition[None], others])
    pictures = np.asarray(model.decode(np.repeat(np.asarray(mean), len(conditions), axis=0), conditions))
    return pictures[0], pictures[1:]


def guess_attributes(run: Run, image: np.ndarray) -> np.ndarray:
    """The attributes of an image float32 (64, 64, 3) as the judge sees them: float32 (40,).

    Raises:
        UserError: the data that the judge would learn from are gone.
    """
    info = run.data_info('say what the portrait shows with --described "a young man with black hair"')
    shares = read_portraits(info, "val", MAX_PORTRAITS).attributes.mean(0)
    return guess(train_judge(info, run.output.parent), image[None], shares)[0]


def edit(
    run: Run,
    image: str | pathlib.Path,
    add: Sequence[str] = (),
    remove: Sequence[str] = (),
    described: str | None = None,
    clip: str | None = None,
) -> Pictures:
    """Draws a portrait with attributes added and removed, one by one and all at once.

    Args:
        run: a run that was trained on attributes and encodes images.
        image: a portrait's file, cropped as CelebA's: the face in the middle, half as wide as the picture.
        add, remove: names of attributes.
        described: a sentence that says what the portrait shows; without it a classifier guesses.
        clip: the encoder, if it has moved; needed for models conditioned on sentences too.

    Returns:
        Two rows: the decoder's pictures, and the portrait itself with what the decoder changed.

    Raises:
        UserError: a run without a model, an unknown attribute, nothing to change, or an unusable image.
    """
    changes = _changes(add, remove)
    if described is not None:
        check_prompts([described])
    run.find_model()
    pixels = np.asarray(read_square(image, IMAGE_SIZE)) / np.float32(255)
    if described is None:
        own = guess_attributes(run, pixels)
        print(f"note: the portrait is taken for {describe(own)}; say otherwise with --described.")
    else:
        note_no_attributes(described)
        own = vector_of(described)
    labels = [f"{'with' if value else 'without'} {name.replace('_', ' ')}" for name, value in changes]
    others = [change(own, *one) for one in changes]
    if len(changes) > 1:
        together = own
        for one in changes:
            together = change(together, *one)
        labels, others = [*labels, "all of these"], [*others, together]
    conditions = condition_attributes(run, np.stack([own, *others]), clip)
    redraw = resolve(run.variant.edit_image)
    reconstruction, pictures = redraw(run.model(), pixels, conditions[0], conditions[1:])
    _say_what_cannot_be_seen(labels, pictures - reconstruction)
    changed = np.clip(pixels + pictures - reconstruction, 0, 1)
    rows = np.stack([[reconstruction, *pictures], [pixels, *changed]])
    return Pictures(rows, ["decoded", "the portrait, changed"], ["decoded", "changed"], ["as it is", *labels])


def _changes(add: Sequence[str], remove: Sequence[str]) -> list[tuple[str, int]]:
    """[(attribute, 0 or 1)]. Raises a UserError for none, an unknown one, or one that is to be both."""
    changes = [(find_attribute(name), value) for names, value in ((add or (), 1), (remove or (), 0)) for name in names]
    if not changes:
        raise UserError("nothing to change; name attributes with --add or --remove, such as --add Smiling.")
    if twice := [name for name, value in changes if (name, 1 - value) in changes]:
        raise UserError(f"{twice[0]} is to be added and removed; name it once.")
    return changes


def _say_what_cannot_be_seen(labels: Sequence[str], differences: np.ndarray) -> None:
    for label, difference in zip(labels, differences):
        if (size := 255 * float(np.mean(np.abs(difference)))) < INVISIBLE:
            print(
                f"note: '{label}' changes nothing that can be seen ({size:.1f} of 255 a pixel): the portrait is taken "
                "to be so already, or the model learned little of it."
            )
