"""From embedded shards to batches: tf.data with static shapes and no py_function, ready for GPU and TPU."""

import dataclasses
import pathlib

from preprocess.errors import UserError
from preprocess.files import read_manifest
from preprocess.quiet import import_tensorflow
from preprocess.records import SPLITS, image_key, shard_paths

CONDITIONS = ("image", "text")
# Encoded records in the shuffle buffer: about 45 kB each with 64, 128 and 224 px JPEGs.
SHUFFLE_BUFFER = 2048


@dataclasses.dataclass(frozen=True)
class DataInfo:
    """What a folder of embedded shards holds, read from its manifest.

    Attributes:
        folder: the folder.
        embedding_dim: d. sizes: image sizes in pixels that the records hold.
        counts, caption_counts: {"train": n, "val": n} images and captions.
        clip: name, embedding_dim, weights_sha256 ... of the encoder. clip_spec: what loads it again.
        theme: the theme the photographs were chosen by.
    """

    folder: pathlib.Path
    embedding_dim: int
    sizes: tuple
    counts: dict
    caption_counts: dict
    clip: dict
    clip_spec: str
    theme: str

    def examples(self, condition, split):
        """The number of (image, embedding) pairs in one epoch."""
        if split == "val" and condition == "text":
            return self.caption_counts["val"]
        return self.counts[split]


def read_info(folder):
    """Reads what a folder of embedded shards holds.

    Raises:
        UserError: the folder is not one that clip_wrapper.py finished, or a shard is missing.
    """
    folder = pathlib.Path(folder)
    manifest = read_manifest(folder, "python clip_wrapper.py data/bucolic/shards")
    if manifest["kind"] != "embedded":
        raise UserError(f"{folder} has no embeddings yet; run `python clip_wrapper.py {folder}` first.")
    missing = [name for name in manifest["shards"] if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} lacks {missing[0]}; run clip_wrapper.py with --overwrite to make it anew.")
    settings = manifest["settings"]
    return DataInfo(
        folder=folder,
        embedding_dim=settings["clip"]["embedding_dim"],
        sizes=tuple(settings["shards"]["sizes"]),
        counts=manifest["counts"],
        caption_counts=manifest["caption_counts"],
        clip=settings["clip"],
        clip_spec=manifest["clip_spec"],
        theme=settings["shards"]["theme"],
    )


def _parser(size, embedding_dim, with_texts):
    import tensorflow as tf

    features = {
        image_key(size): tf.io.FixedLenFeature([], tf.string),
        "image_embedding": tf.io.FixedLenFeature([embedding_dim], tf.float32),
    }
    if with_texts:
        features["text_embeddings"] = tf.io.FixedLenSequenceFeature([embedding_dim], tf.float32, allow_missing=True)

    def parse(record):
        return tf.io.parse_single_example(record, features)

    return parse


def _decoder(size):
    import tensorflow as tf

    def decode(parsed, embedding):
        image = tf.io.decode_jpeg(parsed[image_key(size)], channels=3)
        image = tf.image.convert_image_dtype(tf.ensure_shape(image, (size, size, 3)), tf.float32)
        return image, embedding

    return decode


def _every_embedding(condition):
    """Gives a record's image with its image embedding, or with each of its captions' in turn."""
    import tensorflow as tf

    def pairs(parsed):
        embeddings = parsed["text_embeddings"] if condition == "text" else parsed["image_embedding"][None]
        return tf.data.Dataset.from_tensor_slices(embeddings).map(lambda embedding: (parsed, embedding))

    return pairs


def load(folder, size, condition, split, batch_size, seed=0, first_epoch=0, repeat=False):
    """Batches of (image, embedding) from a folder of embedded shards.

    Training shuffles encoded records, anew each epoch, draws one caption an image where the condition is text, and
    drops the last incomplete batch. Validation keeps the order and every image, or with text every caption.

    Args:
        folder: a folder that clip_wrapper.py made.
        size: 64 or 128, or another size that the records hold, in pixels.
        condition: "image" or "text": which embedding goes with an image.
        split: "train" or "val".
        batch_size: pairs a batch.
        seed: the same seed gives the same batches in the same order.
        first_epoch: the epoch to begin with, so that a resumed training sees what it would have seen.
        repeat: whether to go on with further epochs without end.

    Returns:
        A `tf.data.Dataset` of image float32 (batch_size, size, size, 3) in [0, 1] and embedding float32
        (batch_size, d), L2-normalised.

    Raises:
        UserError: see `read_info`; a size, condition or split that is not there; fewer images than a batch.
    """
    info = read_info(folder)
    if size not in info.sizes:
        sizes = ", ".join(map(str, info.sizes))
        raise UserError(f"{folder} holds images of {sizes} px, not {size}; make them by offline_preprocess.py --sizes.")
    if condition not in CONDITIONS or split not in SPLITS:
        raise UserError(f"condition is one of {CONDITIONS} and split one of {SPLITS}, not {condition!r} and {split!r}.")
    training = split == "train"
    if not info.counts[split] or (training and info.counts[split] < batch_size):
        raise UserError(
            f"{folder} has {info.counts[split]} {split} images, fewer than a batch of {batch_size}; "
            "use a smaller --batch-size or more images."
        )
    tf = import_tensorflow()
    parse = _parser(size, info.embedding_dim, condition == "text")
    files = [str(path) for path in shard_paths(folder, split)]

    decode = _decoder(size)
    records = tf.data.TFRecordDataset(files)
    if not training:
        pairs = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE).flat_map(_every_embedding(condition))
        return pairs.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size).prefetch(tf.data.AUTOTUNE)

    # Whole batches are taken of every epoch, so that one never holds images of two.
    count = info.counts[split] // batch_size * batch_size
    epochs = records.shuffle(min(SHUFFLE_BUFFER, info.counts[split]), seed=seed).take(count).repeat()
    numbered = epochs.enumerate().skip(first_epoch * count)
    if not repeat:
        numbered = numbered.take(count)

    def decoded_pair(number, record):
        parsed = parse(record)
        embedding = parsed["image_embedding"] if condition == "image" else draw_caption(number, parsed)
        return decode(parsed, embedding)

    def draw_caption(number, parsed):
        texts = parsed["text_embeddings"]
        chosen = tf.random.stateless_uniform((), tf.stack([seed, number]), 0, tf.shape(texts)[0], tf.int32)
        return tf.ensure_shape(texts[chosen], (info.embedding_dim,))

    pairs = numbered.map(decoded_pair, num_parallel_calls=tf.data.AUTOTUNE)
    return pairs.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
