"""Photographs as an autoencoder's latents, encoded once and kept, so that a flow's epochs cost the flow alone."""

import dataclasses
import pathlib
import shutil
from typing import Any

import numpy as np

from cvae.systems.flow.crops import crop, crop_patches
from cvae.utils.arrays import in_batches
from preprocess.embedding.patches import GRID
from preprocess.shards.info import DataInfo
from preprocess.shards.records import attributes_in, embeddings_of, image_of, patches_of, read_shard
from preprocess.utils.errors import UserError
from preprocess.utils.files import atomic_path, sha256, write_text
from preprocess.utils.load_arrays import map_array, read_arrays
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_tensorflow
from preprocess.utils.types import PathLike

# Beside the latents, the hash of the autoencoder's file.
MADE_BY = "autoencoder.sha256"
# Of the arrays in a file of latents.
DIMENSIONS = {"grids": 5, "embeddings": 2, "texts": 2, "counts": 1}
# The least side of a crop, as a part of the photograph's.
LEAST = 0.8
# What a photograph has most of, and bytes of a split's files from which on that stays on the disk, mapped into memory:
# at 64 px with patches and two crops, those of 58,000 photographs.
LARGE, MAPPED = ("grids", "patches"), 2 * 1024**3


@dataclasses.dataclass(frozen=True)
class Latents:
    """n photographs of one split; of very many, grids and patches are memory-mapped.

    Attributes:
        grids: float16 (n, 2 v, height, width, channels): of each photograph and of its mirror image, then, of
            training photographs, the same of each crop.
        embeddings: float32 (n, d), of the photographs. texts: float32 (m, d), of their captions.
        ids: int (m,), which photograph each caption describes, in order.
        patches: float16 (n, v, 8, 8, d), of the photographs and of their crops; d is 0 where the encoder gave none.
        attributes: float32 (n, a), 0 or 1; a is 0 where the data have none.
    """

    grids: np.ndarray
    embeddings: np.ndarray
    texts: np.ndarray
    ids: np.ndarray
    patches: np.ndarray
    attributes: np.ndarray


def has_latents_of(model_path: pathlib.Path, folder: PathLike) -> bool:
    """Whether a folder's latents, of all shards or some, are those of the model in a file as it is now."""
    path = pathlib.Path(folder) / MADE_BY
    return model_path.is_file() and path.is_file() and path.read_bytes() == sha256(model_path).encode()


def encode_latents(
    autoencoder: Any, model_path: pathlib.Path, info: DataInfo, folder: PathLike, image_size: int, crops: int = 0
) -> None:
    """Writes a `.npz` for each shard that has none yet; those of another autoencoder are made anew.

    Args:
        autoencoder: has `encode(images)`. model_path: the file that it was loaded from.
        info: a `preprocess.shards.info.DataInfo`.
        folder: where the files are kept. image_size: pixels a side of the images.
        crops: of each training image, which are encoded too.
    """
    import_tensorflow()
    if not has_latents_of(model_path, folder):
        shutil.rmtree(folder, ignore_errors=True)
        write_text(pathlib.Path(folder) / MADE_BY, sha256(model_path))
    todo = [name for name in info.shards if not _is_whole(_latents_path(folder, name))]
    for name in progress_bar(todo, desc="encoding latents", unit="shard", disable=not todo):
        own_crops = crops if name.startswith("train") else 0
        _encode_shard(autoencoder, info, name, _latents_path(folder, name), image_size, own_crops)


def _latents_path(folder, shard):
    return pathlib.Path(folder) / f"{pathlib.Path(shard).stem}.npz"


def _is_whole(path):
    try:
        read_arrays(path, DIMENSIONS, "")
    except UserError:  # not there yet, or damaged
        return False
    return True


def _encode_shard(autoencoder, info, shard, path, image_size, crops):
    images, embeddings, texts, patches, attributes = [], [], [], [], []
    for example in read_shard(info.folder / shard):
        boxes = _boxes(example, crops)
        large = image_of(example, max(info.sizes)) if crops else np.zeros(0)
        images.append(np.stack([image_of(example, image_size), *(crop(large, box, image_size) for box in boxes)]))
        embedding, captions = embeddings_of(example)
        embeddings.append(embedding)
        texts.append(captions)
        own = patches_of(example) if info.patch_dim else np.zeros((GRID, GRID, 0), np.float16)
        patches.append(np.stack([own, *(crop_patches(own, box) for box in boxes)]))
        attributes.append(attributes_in(example).astype(np.float32))

    def encode(batch):
        batch = batch / np.float32(255)
        both = [np.asarray(autoencoder.encode(view)[0], np.float16) for view in (batch, batch[:, :, ::-1])]
        return np.stack(both, axis=1)

    views = np.stack(images)
    grids = in_batches(encode, views.reshape(-1, *views.shape[2:]))
    grids = grids.reshape(len(views), -1, *grids.shape[2:])
    counts = [len(captions) for captions in texts]
    with atomic_path(path) as partial:
        np.savez(
            partial, grids=grids, embeddings=np.stack(embeddings), texts=np.concatenate(texts), counts=counts,
            patches=np.stack(patches), attributes=np.stack(attributes),
        )  # fmt: skip


def _boxes(example, count):
    """The crops of a photograph: (left, top, side), as parts of its side; always the same for one photograph."""
    rng = np.random.default_rng(example.features.feature["image_id"].int64_list.value[0])
    sides = rng.uniform(LEAST, 1, count)
    return np.concatenate([rng.uniform(0, 1, (count, 2)) * (1 - sides)[:, None], sides[:, None]], axis=1)


def read_latents(info: DataInfo, folder: PathLike, split: str) -> Latents:
    """The latents of a split that `encode_latents` has written: `Latents`."""
    paths = [_latents_path(folder, shard.name) for shard in info.paths(split)]
    mapped: dict[str, np.ndarray] = {}
    if sum(path.stat().st_size for path in paths if path.is_file()) > MAPPED:
        mapped = {name: _mapped(paths, name, info.counts[split]) for name in LARGE}
    parts = [{name: own for name, own in _read_part(path).items() if name not in mapped} for path in paths]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    arrays |= mapped
    counts = arrays.pop("counts")
    return Latents(**arrays, ids=np.repeat(np.arange(len(counts)), counts))


def _read_part(path):
    part = read_arrays(path, DIMENSIONS, f"delete {path.parent}, and it is made again")
    count = len(part["grids"])
    # Version 0.2 kept neither.
    older = {"patches": np.zeros((count, 1, GRID, GRID, 0), np.float16), "attributes": np.zeros((count, 0))}
    return {name: part.get(name, older.get(name)) for name in (*DIMENSIONS, *older)}


def _mapped(paths, name, count):
    """An array of all parts as one memory-mapped file beside them, which is made where it is not there yet."""
    first = _read_part(paths[0])[name]
    shape = count, *first.shape[1:]
    if not first.size:
        return np.zeros(shape, first.dtype)
    path = paths[0].with_name(f"{paths[0].stem.split('-')[0]}-{name}.npy")
    if not path.is_file():
        with atomic_path(path) as partial:
            array, place = np.lib.format.open_memmap(partial, "w+", first.dtype, shape), 0
            for part in progress_bar(paths, desc=f"joining {name}", unit="shard"):
                own = _read_part(part)[name]
                array[place : place + len(own)] = own
                place += len(own)
            array.flush()
    return map_array(path, shape, f"delete {path.parent}, and it is made again")
