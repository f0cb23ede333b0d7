"""Photographs as an autoencoder's latents, encoded once and kept, so that a flow's epochs cost the flow alone."""

import dataclasses
import pathlib
import zipfile

import numpy as np
from tqdm import tqdm

from cvae.batches import in_batches
from preprocess.files import atomic_path
from preprocess.quiet import import_tensorflow
from preprocess.records import embeddings_of, image_of, read_shard


@dataclasses.dataclass(frozen=True)
class Latents:
    """n photographs of one split.

    Attributes:
        grids: float16 (n, 2, height, width, channels): of each photograph, and of its mirror image.
        embeddings: float32 (n, d), of the photographs. texts: float32 (m, d), of their captions.
        ids: int (m,), which photograph each caption describes.
    """

    grids: np.ndarray
    embeddings: np.ndarray
    texts: np.ndarray
    ids: np.ndarray


def encode_latents(autoencoder, info, folder):
    """Writes a `.npz` for each shard that has none yet.

    Args:
        autoencoder: has `encode(images)` and `image_size`.
        info: a `preprocess.datasets.DataInfo`.
        folder: where the files are kept.
    """
    import_tensorflow()
    todo = [name for name in info.shards if not _is_whole(_latents_path(folder, name))]
    if not todo:
        return
    total = sum(info.counts[split] for split in ("train", "val"))
    with tqdm(total=total, desc="encoding latents", unit="image") as bar:
        for name in info.shards:
            if name in todo:
                _encode_shard(autoencoder, info.folder / name, _latents_path(folder, name), bar.update)


def _latents_path(folder, shard):
    return pathlib.Path(folder) / f"{pathlib.Path(shard).stem}.npz"


def _is_whole(path):
    return path.is_file() and zipfile.is_zipfile(path)


def _encode_shard(autoencoder, shard, path, progress):
    images, embeddings, texts = [], [], []
    for example in read_shard(shard):
        images.append(image_of(example, autoencoder.image_size))
        embedding, captions = embeddings_of(example)
        embeddings.append(embedding)
        texts.append(captions)

    def encode(batch):
        batch = batch / np.float32(255)
        both = [np.asarray(autoencoder.encode(view)[0], np.float16) for view in (batch, batch[:, :, ::-1])]
        return np.stack(both, axis=1)

    grids = in_batches(encode, np.stack(images), progress=progress)
    counts = [len(captions) for captions in texts]
    with atomic_path(path) as partial:
        np.savez(partial, grids=grids, embeddings=np.stack(embeddings), texts=np.concatenate(texts), counts=counts)


def read_latents(info, folder, split):
    """The latents of a split that `encode_latents` has written: `Latents`."""
    parts = [dict(np.load(_latents_path(folder, name))) for name in info.shards if name.startswith(split)]
    grids, embeddings, texts, counts = (
        np.concatenate([part[name] for part in parts]) for name in ("grids", "embeddings", "texts", "counts")
    )
    return Latents(grids, embeddings, texts, np.repeat(np.arange(len(counts)), counts))
