"""Shards with embeddings: the same records, one image embedding and all caption embeddings added to each."""

import itertools
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from preprocess.cluster import joined, map_actors, there
from preprocess.embedding.patches import DIM
from preprocess.embedding.process import EncoderProcess
from preprocess.shards.info import read_info
from preprocess.shards.records import CLIP_SIZE, add_embeddings, captions_of, check_counts, image_of, read_shard
from preprocess.utils.errors import UserError
from preprocess.utils.files import atomic_path, is_whole, remove_partials, write_json
from preprocess.utils.folders import MANIFEST, SHARD, open_folder, read_manifest
from preprocess.utils.progress import progress_bar
from preprocess.utils.quiet import import_tensorflow
from preprocess.utils.types import PathLike

RECORDS_AT_ONCE = 64
MADE_BY = "python offline_preprocess.py --zip train2017.zip"


def read_shards_manifest(shards: PathLike) -> dict[str, Any]:
    """The manifest of a folder of `offline_preprocess.py`.

    Raises:
        UserError: it is another kind of folder, or not finished.
    """
    manifest = read_manifest(shards, MADE_BY)
    if manifest.get("kind") not in ("shards", "embedded"):
        raise UserError(f"{shards} holds no shards; make them with `{MADE_BY}`.")
    if manifest["kind"] != "shards":
        raise UserError(f"{shards} is embedded already; give the folder that offline_preprocess.py made.")
    info = read_info(shards, embedded=False)
    # Portraits are hardly larger than the 64 px that they are kept at.
    if CLIP_SIZE not in info.sizes and not info.attributes:
        raise UserError(
            f"{shards} has no images of {CLIP_SIZE} px, which encoders see; make it again with "
            f"--sizes {' '.join(map(str, sorted({*info.sizes, CLIP_SIZE})))}."
        )
    check_counts(shards, manifest["shards"], MADE_BY)
    return manifest


def embed_folder(
    shards: PathLike, out: PathLike, encoder: EncoderProcess, overwrite: bool = False, cluster: str | None = None
) -> dict[str, Any]:
    """Embeds every shard of a folder; run again, it goes on at the first unfinished shard.

    Args:
        shards: a folder of `offline_preprocess.py`.
        out: the output folder: the same shards with embeddings, and manifest.json.
        encoder: a `preprocess.embedding.process.EncoderProcess`.
        overwrite: whether to empty an output folder made with other settings.
        cluster: the address of a Ray cluster whose machines see both folders, see `preprocess.cluster`, to embed there
            by the same encoder.

    Returns:
        The output folder's manifest.

    Raises:
        UserError: see `read_shards_manifest` and `open_folder`.
    """
    shards, out = pathlib.Path(shards), pathlib.Path(out)
    source = read_shards_manifest(shards)
    settings = {
        "shards": source["settings"],
        "clip": {
            "name": encoder.name,
            "embedding_dim": encoder.embedding_dim,
            "image_size": encoder.image_size,
            "normalization": "l2",
            "weights_sha256": encoder.weights_sha256,
        },
    }
    with open_folder(out, settings, (SHARD.pattern,), overwrite, inputs=[shards]) as manifest:
        if manifest["complete"]:
            damaged = [name for name, shard in manifest["shards"].items() if not is_whole(out / name, shard["bytes"])]
            if not damaged:
                return manifest
            for name in damaged:
                (out / name).unlink(missing_ok=True)
        # Kept from the start, so that a run that goes on later rounds as this one does.
        encoder.set_precision(manifest.setdefault("precision", encoder.precision))
        # A folder that was begun without patches, by version 0.2 or before, goes on without.
        begun = any(out.glob("*.tfrecord"))
        patches = manifest.setdefault("patches", DIM if encoder.patches and not begun else 0)
        write_json(out / MANIFEST, manifest)
        _embed_shards(encoder, shards, out, source, bool(patches), cluster)
        manifest |= {key: source[key] for key in ("counts", "caption_counts")}
        manifest["shards"] = {
            name: {"count": shard["count"], "bytes": (out / name).stat().st_size}
            for name, shard in source["shards"].items()
        }
        manifest |= {"complete": True, "kind": "embedded", "clip_spec": encoder.spec}
        manifest["drawn_by"] = source.get("drawn_by")
        write_json(out / MANIFEST, manifest)
    return manifest


def _embed_shards(encoder, shards, out, source, patches, cluster):
    sizes = source["settings"]["sizes"]
    size = CLIP_SIZE if CLIP_SIZE in sizes else max(sizes)
    counts = {name: shard["count"] for name, shard in source["shards"].items()}
    todo = [name for name in counts if not (out / name).is_file()]
    total, left = sum(counts.values()), sum(counts[name] for name in todo)
    with progress_bar(total=total, initial=total - left, desc="embedding", unit="image") as bar:
        if cluster and todo:
            for name in _embed_elsewhere(cluster, encoder, shards, out, todo, size, patches):
                bar.update(counts[name])
            remove_partials(out)
            return
        for name in todo:
            embed_shard(encoder, shards / name, out / name, size, bar.update, patches)


class _Embedder:
    """An encoder on one of a cluster's machines."""

    def __init__(self, spec: str, precision: str, weights_sha256: str) -> None:
        self.given = spec, precision, weights_sha256

    def ready(self) -> None:
        """Loads the encoder."""
        spec, precision, weights_sha256 = self.given
        self.encoder = EncoderProcess(spec, precision)
        # The GPU is the encoder's; TensorFlow only reads and writes records here.
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        self.encoder.set_precision(precision)
        if self.encoder.weights_sha256 != weights_sha256:
            raise UserError(f"{spec} is another encoder on a machine of the cluster than here; have the same on all.")

    def work(self, name: str, shards: str, out: str, size: int, patches: bool) -> str:
        embed_shard(
            self.encoder, pathlib.Path(shards) / name, pathlib.Path(out) / name, size, int, patches, alone=False
        )
        return name


def _embed_elsewhere(cluster, encoder, shards, out, todo, size, patches):
    """Has a cluster embed shards. Yields their names, as they are done."""
    given = encoder.spec, encoder.precision, encoder.weights_sha256
    with joined(cluster) as ray:
        yield from map_actors(
            ray, _Embedder, given, [(name, there(shards), there(out), size, patches) for name in todo]
        )


def _encode(encoder: EncoderProcess, squares: list[Any], patches: bool) -> tuple[Any, Any]:
    """Images' embeddings, and their patches or as many Nones."""
    if patches:
        return encoder.encode_images_and_patches(squares)
    return encoder.encode_images(squares), [None] * len(squares)


def embed_shard(
    encoder: EncoderProcess, source: PathLike, target: PathLike, size: int, progress: Callable[[int], Any],
    patches: bool = False, alone: bool = True,
) -> None:  # fmt: skip
    """Writes a shard again with embeddings of its `size` px images and its captions; calls `progress(images done)`.

    With `patches` it keeps what the encoder says of the images' parts.

    A caption that several images share, as portraits with the same attributes do, is embedded once a shard.
    """
    tf = import_tensorflow()
    known: dict[str, np.ndarray] = {}
    with atomic_path(target, alone) as partial, tf.io.TFRecordWriter(str(partial)) as writer:
        stored = read_shard(source)
        while examples := list(itertools.islice(stored, RECORDS_AT_ONCE)):
            captions = [captions_of(example) for example in examples]
            squares = [Image.fromarray(image_of(example, size)) for example in examples]
            images, parts = _encode(encoder, squares, patches)
            new = list(dict.fromkeys(text for texts in captions for text in texts if text not in known))
            if new:
                known.update(zip(new, encoder.encode_texts(new)))
            for example, image, part, texts in zip(examples, images, parts, captions):
                writer.write(add_embeddings(example, image, np.array([known[text] for text in texts]), part))
            progress(len(examples))
