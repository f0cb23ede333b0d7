"""Changes attributes of a portrait: encodes it, and decodes it with others."""

import pathlib

import numpy as np

from cvae.plots import save_pictures
from cvae.portrait_judge import MAX_PORTRAITS, guess, train_judge
from cvae.portraits import IMAGE_SIZE, read_portraits
from cvae.prompts import check_prompts, condition_attributes
from cvae.runs import info_of, load_model, read_prompted_config
from cvae.variants import find_variant
from preprocess.attributes import ATTRIBUTES, HAIR_COLOURS, describe, find_attribute, vector_of
from preprocess.errors import UserError
from preprocess.files import check_no_file
from preprocess.images import read_square


def can_edit(variant_name):
    """Whether a variant encodes portraits and is told attributes."""
    variant = find_variant(variant_name)
    return variant.system == "portraits" and variant.condition != "text" and variant.model != "wgan-gp"


def change(attributes, name, value):
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


def edit_image(model, image, told, told_instead):
    """Draws a portrait anew with other conditions, its latent kept.

    Args:
        model: has `encode` and `decode`.
        image: float32 (64, 64, 3) in [0, 1]. told: float32 (c,), what goes with it.
        told_instead: float32 (n, c).

    Returns:
        (float32 (64, 64, 3), the reconstruction; float32 (n, 64, 64, 3), the pictures).
    """
    mean, _ = model.encode(image[None], told[None])
    conditions = np.concatenate([told[None], told_instead])
    pictures = np.asarray(model.decode(np.repeat(np.asarray(mean), len(conditions), axis=0), conditions))
    return pictures[0], pictures[1:]


def guess_attributes(run, config, image):
    """The attributes of an image float32 (64, 64, 3) as the judge sees them: float32 (40,).

    Raises:
        UserError: the data that the judge would learn from are gone.
    """
    info = info_of(run, config, 'say what the portrait shows with --described "a young man with black hair"')
    shares = read_portraits(info, "val", MAX_PORTRAITS).attributes.mean(0)
    return guess(train_judge(info, pathlib.Path(run).parent), image[None], shares)[0]


def edit(run, image_path, add=(), remove=(), described=None, out=None, clip_spec=None):
    """Draws a portrait with attributes added and removed, one by one and all at once.

    Args:
        run: the folder of a run that was trained on attributes and encodes images.
        image_path: a portrait, cropped as CelebA's are: the face in the middle, half as wide as the picture.
        add, remove: names of attributes.
        described: a sentence that says what the portrait shows; without it a classifier guesses.
        out: the output folder; by default `edited` in the run folder. It gets a PNG for each change, and grid.png:
            the decoder's pictures, and below them the portrait itself with what the decoder changed.
        clip_spec: the encoder, if it has moved; needed for models told sentences too.

    Returns:
        The path of the grid.

    Raises:
        UserError: no such run, one that cannot edit, an unknown attribute, nothing to change, or an unusable image.
    """
    changes = [(name, 1) for name in add] + [(name, 0) for name in remove]
    if not changes:
        raise UserError("nothing to change; name attributes with --add or --remove, such as --add Smiling.")
    changes = [(find_attribute(name), value) for name, value in changes]
    if twice := [name for name, value in changes if (name, 1 - value) in changes]:
        raise UserError(f"{twice[0]} is to be added and removed; name it once.")
    if described is not None:
        check_prompts([described])
    config = read_prompted_config(run)
    variant = find_variant(config["variant"])
    if not can_edit(config["variant"]):
        raise UserError(f"{run} is a {config['variant']}, which cannot edit; name a celeba-cvae or celeba-cvae-gan.")
    folder = pathlib.Path(out or pathlib.Path(run) / "edited")
    check_no_file(folder)
    image = np.asarray(read_square(image_path, IMAGE_SIZE)) / np.float32(255)
    if described is None:
        own = guess_attributes(run, config, image)
        print(f"note: the portrait is taken for {describe(own)}; say otherwise with --described.")
    else:
        own = vector_of(described)
    labels = [f"{'with' if value else 'without'} {name.replace('_', ' ')}" for name, value in changes]
    others = [change(own, *one) for one in changes]
    if len(changes) > 1:
        together = own
        for one in changes:
            together = change(together, *one)
        labels, others = [*labels, "all of these"], [*others, together]
    told = condition_attributes(np.stack([own, *others]), variant.condition, clip_spec or config["clip_spec"], config)
    reconstruction, pictures = edit_image(load_model(run), image, told[0], told[1:])
    changed = np.clip(image + pictures - reconstruction, 0, 1)
    rows = np.stack([[reconstruction, *pictures], [image, *changed]])
    labels = ["as it is", *labels]
    names = ["decoded", "changed"]
    return save_pictures(folder, rows, names, ["decoded", "the portrait, changed"], labels, replace=not out)
