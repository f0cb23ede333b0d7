"""What a notebook works on: data and runs in its folder, made on the spot where they are missing."""

import dataclasses
import pathlib

import numpy as np

from preprocess.errors import UserError, check_whole

PASTURE_CLIP = pathlib.Path(__file__).parent.parent / "preprocess" / "pasture" / "clip.pt"


def pasture_zip(work, count, overwrite=False):
    """Draws the pasture scenes into `work`, unless they are there. Returns the path of their train2017.zip.

    Args:
        work: the folder of `cvae.colab.work_folder`.
        count: pictures.
        overwrite: whether to draw anew those of another count.
    """
    from preprocess.parallel import available_cores
    from preprocess.pasture.archive import write_archive

    check_whole("pasture-count", count, 100)
    write_archive(work / "pasture", count, seed=0, workers=available_cores(), overwrite=overwrite)
    return work / "pasture" / "train2017.zip"


def embedded_data(work, data, pasture_count):
    """The embedded shards to train on: `data`, else those in `work`, else pasture scenes made on the spot.

    Args:
        work: the folder of `cvae.colab.work_folder`.
        data: a folder of embedded shards, or "".
        pasture_count: how many pictures to draw where there is nothing else.

    Returns:
        The folder.

    Raises:
        UserError: data that cannot be used, or that another notebook has not finished.
    """
    from preprocess.datasets import read_info
    from preprocess.files import is_finished

    folder = pathlib.Path(data) if data else work / "embedded"
    if not data and not is_finished(folder):
        if (work / "shards").exists() and not (work / "pasture").exists():
            raise UserError(f"{folder} is not finished; run the first notebook again, or choose another --work.")
        print("No embedded data yet: drawing pasture scenes in their place.")
        prepare(pasture_zip(work, pasture_count), work, str(PASTURE_CLIP))
    read_info(folder)
    return folder


def trained_run(work, run, settings, pasture_count):
    """The run to draw with: `run`, else the newest in `work`, else one trained on the spot on `embedded_data`.

    Args:
        work: the folder of `cvae.colab.work_folder`.
        run: a run folder, or "".
        settings: a `cvae.training.Settings`; a run that was begun with them here is finished first.
        pasture_count: see `embedded_data`.

    Returns:
        The folder.
    """
    from cvae.runs import BEST, find_model, read_config, read_log
    from cvae.training import train

    if run:
        find_model(run)
        return pathlib.Path(run)
    own = work / "runs" / "64-image"
    trained = sorted((work / "runs").glob(f"*/{BEST}"), key=lambda path: path.stat().st_mtime)
    newest = trained[-1].parent if trained else own
    begun = trained and read_config(newest)["settings"] == dataclasses.asdict(settings)
    if not trained or (newest == own and begun and len(read_log(own)) < settings.epochs):
        print("No run yet: training one.")
        train("64-image", embedded_data(work, "", pasture_count), own, settings, resume=True)
    return newest


def images_to_reconstruct(run, path, count):
    """Images and what the model is told of them: an image file, or the first validation images of a run's data.

    A text-conditioned model is told the first caption of a validation image, and of a file what CLIP sees.

    Returns:
        (float32 (n, size, size, 3) in [0, 1], float32 (n, d)); n is 1 for a file.

    Raises:
        UserError: the file is no image that can be used, or the run's data are gone.
    """
    from cvae.held_out import read_held_out
    from cvae.prompts import open_encoder
    from cvae.runs import read_prompted_config
    from cvae.variants import find_variant
    from preprocess.datasets import read_info
    from preprocess.images import read_square
    from preprocess.records import CLIP_SIZE

    config = read_prompted_config(run)
    variant = find_variant(config["variant"])
    if variant.system not in ("photos", "flow"):
        raise UserError(f"{run} is a {config['variant']}; name a run of photographs, notebook 6 edits portraits.")
    if not path:
        held_out = read_held_out(read_info(config["data"]), variant.image_size, count)
        return held_out.images / np.float32(255), held_out.conditions(variant.condition)
    image, seen_by_clip = np.asarray(read_square(path, variant.image_size)), read_square(path, CLIP_SIZE)
    with open_encoder(config["clip_spec"], config["clip"], config["precision"]) as encoder:
        embedding = encoder.encode_images([seen_by_clip])
    return image[None] / np.float32(255), embedding


def prepare(zip_path, work, clip, overwrite=False, **options):
    """Preprocesses and embeds an archive: `work`/shards and `work`/embedded.

    Args:
        zip_path: COCO's train2017.zip or the like.
        work: the folder of `cvae.colab.work_folder`.
        clip: see `preprocess.encoders.load_encoder`.
        overwrite: whether to empty folders that were made with other settings.
        **options: of `preprocess.coco.preprocess_coco`; the theme is "large" by default.

    Returns:
        The manifest of the embedded shards.
    """
    from preprocess.coco import preprocess_coco
    from preprocess.embedding import embed_folder
    from preprocess.encoders import EncoderProcess
    from preprocess.parallel import available_cores

    options = {"theme": "large", "workers": available_cores()} | options
    # Opened first: a wrong encoder is told before an hour of preprocessing.
    with EncoderProcess(clip) as encoder:
        preprocess_coco(zip_path, work / "shards", overwrite=overwrite, **options)
        return embed_folder(work / "shards", work / "embedded", encoder, overwrite)


def embedded_portraits(work, zip_path, attributes, clip, faces_count, limit=None, overwrite=False):
    """Embedded shards of portraits, made in `work`/portraits unless they are there: CelebA's, or drawn faces.

    Args:
        work: the folder of `cvae.colab.work_folder`.
        zip_path, attributes: see `preprocess.celeba.preprocess_celeba`; "" draws faces in their place.
        clip: see `preprocess.encoders.load_encoder`; "" takes ViT-B/32 for CelebA, the small CLIP for drawn faces.
        faces_count: how many faces to draw where there is no zip.
        limit: at most so many portraits.
        overwrite: whether to empty folders that were made with other settings.

    Returns:
        The folder.
    """
    from preprocess.celeba import preprocess_celeba
    from preprocess.embedding import embed_folder
    from preprocess.encoders import EncoderProcess
    from preprocess.faces.archive import ARCHIVE, TABLE, write_archive
    from preprocess.parallel import available_cores

    folder, workers = work / "portraits", available_cores()
    if not zip_path:
        write_archive(folder / "drawn", faces_count, seed=0, workers=workers, overwrite=overwrite)
        zip_path, attributes = folder / "drawn" / ARCHIVE, folder / "drawn" / TABLE
        clip = clip or str(PASTURE_CLIP)
    with EncoderProcess(clip or "ViT-B/32") as encoder:
        shards = folder / "shards"
        preprocess_celeba(zip_path, attributes, shards, workers=workers, limit=limit, overwrite=overwrite)
        embed_folder(shards, folder / "embedded", encoder, overwrite)
    return folder / "embedded"


def check_portraits(zip_path, attributes, faces_count):
    """Raises a UserError for what `embedded_portraits` cannot begin with: before anything is made."""
    from preprocess.celeba import read_attributes
    from preprocess.shards import list_images

    check_whole("faces-count", faces_count, 100)
    if zip_path:
        list_images(zip_path, "CelebA's img_align_celeba.zip")
        read_attributes(attributes)


def portrait_to_edit(data, path, folder):
    """The portrait to edit: `path`, or the first validation portrait of embedded shards, saved in a folder."""
    from PIL import Image

    from cvae.portraits import read_portraits
    from preprocess.datasets import read_info
    from preprocess.files import atomic_path

    if path:
        return pathlib.Path(path)
    [image] = read_portraits(read_info(data), "val", 1).images
    with atomic_path(folder / "portrait.png") as partial:
        Image.fromarray(image).save(partial)
    return folder / "portrait.png"
