"""What a notebook works on: data and runs in its folder, made on the spot where they are missing."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from cvae.evaluation.held_out import read_held_out
from cvae.keras_files import BEST
from cvae.runs import Run
from cvae.sampling.pictures import Pictures
from cvae.systems.faces.portraits import read_portraits
from cvae.training.loop import train
from cvae.training.resume import settings_of
from preprocess.celeba.build import preprocess_celeba, read_attributes
from preprocess.coco.build import preprocess_coco
from preprocess.embedding.embed import embed_folder
from preprocess.embedding.process import EncoderProcess
from preprocess.faces.archive import ARCHIVE, TABLE
from preprocess.faces.archive import write_archive as draw_faces
from preprocess.pasture import PASTURE_CLIP
from preprocess.pasture.archive import write_archive as draw_scenes
from preprocess.shards.images import read_square
from preprocess.shards.info import read_info
from preprocess.shards.records import CLIP_SIZE
from preprocess.sources.zips import list_images
from preprocess.utils.errors import UserError, check_whole
from preprocess.utils.files import atomic_path
from preprocess.utils.folders import is_finished
from preprocess.utils.parallel import available_cores


def pasture_zip(work: pathlib.Path, count: int, overwrite: bool = False) -> pathlib.Path:
    """Draws the pasture scenes into `work`, unless they are there. Returns the path of their train2017.zip.

    Args:
        work: the folder of `cvae.notebook_tools.setup.work_folder`.
        count: pictures.
        overwrite: whether to draw anew those of another count.
    """
    check_whole("pasture-count", count, 100)
    draw_scenes(work / "pasture", count, seed=0, workers=available_cores(), overwrite=overwrite)
    return work / "pasture" / "train2017.zip"


def embedded_data(work: pathlib.Path, data: str, pasture_count: int) -> pathlib.Path:
    """The embedded shards to train on: `data`, else those in `work`, else pasture scenes made on the spot.

    Args:
        work: the folder of `cvae.notebook_tools.setup.work_folder`.
        data: a folder of embedded shards, or "".
        pasture_count: how many pictures to draw where there is nothing else.

    Returns:
        The folder.

    Raises:
        UserError: data that cannot be used, or that another notebook has not finished.
    """
    folder = pathlib.Path(data) if data else work / "embedded"
    if not data and not is_finished(folder):
        if (work / "shards").exists() and not (work / "pasture").exists():
            raise UserError(f"{folder} is not finished; run the first notebook again, or choose another --work.")
        print("No embedded data yet: drawing pasture scenes in their place.")
        prepare(pasture_zip(work, pasture_count), work, str(PASTURE_CLIP))
    read_info(folder)
    return folder


def trained_run(work: pathlib.Path, run: str, given: Mapping[str, Any], pasture_count: int) -> Run:
    """The run to draw with: `run`, else the newest in `work`, else one trained on the spot on `embedded_data`.

    Args:
        work: the folder of `cvae.notebook_tools.setup.work_folder`.
        run: a run folder, or "".
        given: {name: value} of `Settings`; a run that was begun with them here is finished first.
        pasture_count: see `embedded_data`.
    """
    if run:
        opened = Run(run)
        opened.find_model()
        return opened
    own = work / "runs" / "64-image"
    trained = sorted((work / "runs").glob(f"*/{BEST}"), key=lambda path: path.stat().st_mtime)
    newest = Run(trained[-1].parent) if trained else None
    if newest and (newest.folder != own or not _is_unfinished(newest, given)):
        return newest
    print("No run yet: training one.")
    train("64-image", embedded_data(work, "", pasture_count), own, given, resume=True)
    return Run(own)


def _is_unfinished(run: Run, given: Mapping[str, Any]) -> bool:
    """Whether a run was begun with these settings and has epochs left."""
    settings = settings_of(run)
    same = all(getattr(settings, name) == value for name, value in given.items() if value is not None)
    return same and len(run.log()) < settings.epochs


def images_to_reconstruct(
    run: Run, path: str, count: int, drawn: Pictures | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Images and their conditions: an image file, or the first validation images of a run's data.

    A text-conditioned model gets the first caption of a validation image, and of a file what CLIP sees.

    Args:
        run: of photographs. path: of the file, or "". count: images at most.
        drawn: what is taken where the data are not here, as those of a run that came along are not.

    Returns:
        (float32 (n, size, size, 3) in [0, 1], float32 (n, d)); n is 1 for a file.

    Raises:
        UserError: the file is no image that can be used, or the run's data are gone.
    """
    size, condition = run.variant.image_size, run.variant.condition
    if condition not in ("image", "text"):
        raise UserError(f"{run} is a {run.variant_name}; name a run of photographs, notebook 6 edits portraits.")
    if path:
        images, seen = [np.asarray(read_square(path, size))], [read_square(path, CLIP_SIZE)]
    elif drawn is not None and not run.has_data:
        images = seen = list(drawn.arrays.reshape(-1, *drawn.arrays.shape[2:])[:count])
    else:
        held_out = read_held_out(run.data_info("name an image in IMAGE"), size, count)
        return held_out.images / np.float32(255), held_out.conditions(condition)
    with run.encoder.open() as encoder:
        return np.stack(images) / np.float32(255), encoder.encode_images(seen)


def prepare(
    zip_path: str | pathlib.Path, work: pathlib.Path, clip: str, overwrite: bool = False, **options: Any
) -> dict[str, Any]:
    """Preprocesses and embeds an archive: `work`/shards and `work`/embedded.

    Args:
        zip_path: COCO's train2017.zip or the like.
        work: the folder of `cvae.notebook_tools.setup.work_folder`.
        clip: see `preprocess.embedding.encoders.load_encoder`.
        overwrite: whether to empty folders that were made with other settings.
        **options: of `preprocess.coco.build.preprocess_coco`; the theme is "large" by default.

    Returns:
        The manifest of the embedded shards.
    """
    options = {"theme": "large", "workers": available_cores(), **options}
    # Opened first: a wrong encoder is named before an hour of preprocessing.
    with EncoderProcess(clip) as encoder:
        preprocess_coco(zip_path, work / "shards", overwrite=overwrite, **options)
        return embed_folder(work / "shards", work / "embedded", encoder, overwrite)


def embedded_faces(
    work: pathlib.Path,
    zip_path: str,
    attributes: str,
    clip: str,
    faces_count: int,
    limit: int | None = None,
    overwrite: bool = False,
) -> pathlib.Path:
    """Embedded shards of portraits, made in `work`/faces unless they are there: CelebA's, or drawn faces.

    Args:
        work: the folder of `cvae.notebook_tools.setup.work_folder`.
        zip_path, attributes: see `preprocess.celeba.build.preprocess_celeba`; "" draws faces in their place.
        clip: see `preprocess.embedding.encoders.load_encoder`; "" is ViT-B/32, or the small CLIP for drawn faces.
        faces_count: how many faces to draw where there is no zip.
        limit: portraits, at most.
        overwrite: whether to empty folders that were made with other settings.

    Returns:
        The folder.
    """
    folder, workers = work / "faces", available_cores()
    if not zip_path:
        draw_faces(folder / "drawn", faces_count, seed=0, workers=workers, overwrite=overwrite)
        zip_path, attributes = str(folder / "drawn" / ARCHIVE), str(folder / "drawn" / TABLE)
        clip = clip or str(PASTURE_CLIP)
    with EncoderProcess(clip or "ViT-B/32") as encoder:
        shards = folder / "shards"
        preprocess_celeba(zip_path, attributes, shards, workers=workers, limit=limit, overwrite=overwrite)
        embed_folder(shards, folder / "embedded", encoder, overwrite)
    return folder / "embedded"


def check_faces(zip_path: str, attributes: str, faces_count: int) -> None:
    """Raises a UserError for what `embedded_faces` cannot begin with: before anything is made."""
    check_whole("faces-count", faces_count, 100)
    if zip_path:
        list_images(zip_path, "CelebA's img_align_celeba.zip")
        read_attributes(attributes)


def portrait_to_edit(data: pathlib.Path, path: str, folder: pathlib.Path) -> pathlib.Path:
    """The portrait to edit: `path`, or the first validation portrait of embedded shards, saved in a folder."""
    from PIL import Image

    if path:
        return pathlib.Path(path)
    [image] = read_portraits(read_info(data), "val", 1).images
    with atomic_path(folder / "portrait.png") as partial:
        Image.fromarray(image).save(partial)
    return folder / "portrait.png"
