"""The one schema of this project's records: a photograph, its captions and, once embedded, their embeddings.

A record is a `tf.train.Example`:

| feature | type | holds |
|---|---|---|
| image_id | int64 | the image's id in its data set |
| file_name | bytes | its name in the archive |
| captions | bytes, any number | all captions, UTF-8 |
| attributes | int64, any number | 0 or 1 each, of portraits; see preprocess.celeba.attributes |
| image_64, image_128, image_224 | bytes | square JPEGs, one for every size that was asked for |
| image_embedding | float, d | added by clip_wrapper: unit length |
| text_embeddings | float, captions x d | added by clip_wrapper: one a caption, unit length |
| image_patches | bytes | added by clip_wrapper where the encoder has patches: float16 8 x 8 x 64 |
"""

import hashlib
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from preprocess.embedding.patches import DIM, GRID
from preprocess.shards.decode import JPEG_START, BadImage, decode
from preprocess.utils.command import reason_of
from preprocess.utils.datasets import untuned
from preprocess.utils.errors import UserError
from preprocess.utils.files import is_whole
from preprocess.utils.options import VALIDATION_SHARE
from preprocess.utils.quiet import import_tensorflow
from preprocess.utils.types import PathLike

SPLITS = ("train", "val")
# The size that CLIP gets; the others are for training.
CLIP_SIZE = 224


def split_of(image_id: int, validation_share: float = VALIDATION_SHARE) -> str:
    """The split an image belongs to: by a hash of its id, and the share of all ids that is "val"."""
    digest = hashlib.sha256(str(image_id).encode()).digest()
    return "train" if int.from_bytes(digest[:8], "big") < (1 - validation_share) * 2**64 else "val"


def shard_paths(folder: PathLike, split: str) -> list[pathlib.Path]:
    """The finished shards of a split, in order."""
    return sorted(pathlib.Path(folder).glob(f"{split}-*.tfrecord"))


def image_key(size: int) -> str:
    return f"image_{size}"


def _bytes_feature(values):
    import tensorflow as tf

    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def encode(
    image_id: int, file_name: str, captions: Sequence[str], jpegs: dict[int, bytes], attributes: Sequence[int] = ()
) -> bytes:
    """Serialises a record. `jpegs` maps a size in pixels to the bytes of a square JPEG; attributes are 0 or 1."""
    import tensorflow as tf

    feature = {
        "image_id": tf.train.Feature(int64_list=tf.train.Int64List(value=[image_id])),
        "file_name": _bytes_feature([file_name.encode(errors="backslashreplace")]),
        "captions": _bytes_feature([caption.encode(errors="replace") for caption in captions]),
    }
    if attributes:
        feature["attributes"] = tf.train.Feature(int64_list=tf.train.Int64List(value=attributes))
    for size, jpeg in jpegs.items():
        feature[image_key(size)] = _bytes_feature([jpeg])
    return _serialize(tf.train.Example(features=tf.train.Features(feature=feature)))


def add_embeddings(
    example: Any, image_embedding: np.ndarray, text_embeddings: np.ndarray, patches: np.ndarray | None = None
) -> bytes:
    """Adds embeddings, float32 (d,) and (captions, d), and patches to a `tf.train.Example` and serialises it."""
    feature = example.features.feature
    feature["image_embedding"].float_list.value.extend(image_embedding.ravel())
    feature["text_embeddings"].float_list.value.extend(text_embeddings.ravel())
    if patches is not None:
        feature["image_patches"].bytes_list.value.append(patches.astype("<f2").tobytes())
    return _serialize(example)


def _serialize(example):
    # Maps have no order of their own: without this, equal records may differ in their bytes.
    return example.SerializeToString(deterministic=True)


def read_shard(path: PathLike) -> Iterator[Any]:
    """Yields a shard's records, each a `tf.train.Example`.

    Raises:
        UserError: the shard is not there or damaged, or holds something else than records.
    """
    from google.protobuf.message import DecodeError

    tf = import_tensorflow()
    remedy = "delete it and run the command that made it again"
    try:
        for record in untuned(tf.data.TFRecordDataset(str(path))):
            example = tf.train.Example.FromString(record.numpy())
            if fault := _fault_of(example.features.feature):
                raise UserError(f"{path} holds a record with {fault}; {remedy}.")
            yield example
    except (tf.errors.OpError, DecodeError) as error:
        reason = reason_of(error) or "a record is none"
        raise UserError(f"{path} is damaged ({reason}); {remedy}.") from None


def _fault_of(feature: Any) -> str | None:
    """What is wrong with a record's features, None for nothing."""
    if "image_id" not in feature or len(feature["image_id"].int64_list.value) != 1:
        return "no image_id"
    try:
        captions = [value.decode() for value in feature["captions"].bytes_list.value] if "captions" in feature else []
    except UnicodeDecodeError:
        return "captions that are no text"
    for name in feature:
        stored = feature[name].bytes_list.value
        if (
            name.startswith("image_")
            and name[6:].isdecimal()
            and not (len(stored) == 1 and stored[0][:2] == JPEG_START)
        ):
            return f"no JPEG in {name}"
    if "image_patches" in feature and [*map(len, feature["image_patches"].bytes_list.value)] != [GRID * GRID * DIM * 2]:
        return "other patches"
    if "image_embedding" not in feature:
        return None
    image, texts = (np.array(feature[name].float_list.value) for name in ("image_embedding", "text_embeddings"))
    if not len(image) or len(texts) != len(captions) * len(image):
        return "other embeddings than captions"
    return None if np.isfinite(image).all() and np.isfinite(texts).all() else "embeddings that are not finite"


def _count(path: pathlib.Path, size: int) -> int:
    count = place = 0
    with open(path, "rb") as file:
        while place < size:
            file.seek(place)
            # A record's length comes first; its checksum and the content's, 4 bytes each, make 16 with it.
            place += 16 + int.from_bytes(file.read(8), "little")
            count += 1
    return count


def check_shards(folder: PathLike, shards: Mapping[str, Mapping[str, int]], made_by: str) -> None:
    """Raises a UserError unless a folder holds every shard of its manifest's {name: {"count", "bytes"}}, whole.

    Their sizes say so, which costs nothing; see `check_counts`.
    """
    for name, shard in shards.items():
        path = pathlib.Path(folder) / name
        if not is_whole(path, shard["bytes"]):
            raise UserError(
                f"{folder} lacks {name} or has only a part of it; make it again, which mends that: `{made_by}`."
            )


def check_counts(folder: PathLike, shards: Mapping[str, Mapping[str, int]], made_by: str) -> None:
    """Raises a UserError for a whole shard, see `check_shards`, of another number of records than its manifest says.

    It looks at the beginning of each record, of which COCO has 118,287: not to be done at every start.
    """
    for name, shard in shards.items():
        path = pathlib.Path(folder) / name
        if _count(path, shard["bytes"]) != shard["count"]:
            raise UserError(
                f"{path} does not hold its {shard['count']:,} records; delete it and run `{made_by}` again."
            )


def captions_of(example: Any) -> list[str]:
    return [value.decode() for value in example.features.feature["captions"].bytes_list.value]


def attributes_in(example: Any) -> np.ndarray:
    """The record's attributes, int (a,) of 0 and 1; none where the data set has none."""
    return np.array(example.features.feature["attributes"].int64_list.value, np.int64)


def embeddings_of(example: Any) -> tuple[np.ndarray, np.ndarray]:
    """The embeddings that `add_embeddings` added: float32 (d,) of the image and (captions, d) of its captions."""
    feature = example.features.feature
    image = np.array(feature["image_embedding"].float_list.value, np.float32)
    return image, np.array(feature["text_embeddings"].float_list.value, np.float32).reshape(-1, len(image))


def patches_of(example: Any) -> np.ndarray:
    """The patches that `add_embeddings` added: float16 (8, 8, 64)."""
    [stored] = example.features.feature["image_patches"].bytes_list.value
    return np.frombuffer(stored, "<f2").reshape(GRID, GRID, DIM)


def jpeg_of(example: Any, size: int) -> bytes:
    """The record's image of `size` px as it is stored.

    Raises:
        UserError: it has none.
    """
    if image_key(size) not in example.features.feature:
        raise UserError(f"a record has no {image_key(size)}, though its manifest says so; make the shards again.")
    return example.features.feature[image_key(size)].bytes_list.value[0]


def image_of(example: Any, size: int) -> np.ndarray:
    """The record's image of `size` px, uint8 (size, size, 3).

    Raises:
        UserError: it has none, or a damaged one.
    """
    try:
        return np.asarray(decode(jpeg_of(example, size)))
    except BadImage as error:
        raise UserError(f"an image of a record is no use ({error}); make the shards again.") from None
