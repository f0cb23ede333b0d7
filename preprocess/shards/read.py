"""From embedded shards to batches: tf.data with static shapes and no py_function, ready for GPU and TPU."""

from typing import Any

from preprocess.shards.info import read_info
from preprocess.shards.records import SPLITS, image_key
from preprocess.utils.datasets import untuned
from preprocess.utils.errors import UserError
from preprocess.utils.quiet import import_tensorflow
from preprocess.utils.types import PathLike

# What a model can be conditioned on: the image's embedding, a caption's, attributes, or attributes and a caption's.
CONDITIONS = ("image", "text", "attributes", "both")
# Encoded records in the shuffle buffer: about 45 kB each with 64, 128 and 224 px JPEGs.
SHUFFLE_BUFFER = 2048
# Shards read at once, in an order of the epoch's own, so that the buffer mixes records from all over.
SHARDS_AT_ONCE = 8


def _parser(info, size, condition):
    """A function from a record to what of it belongs to a condition."""
    import tensorflow as tf

    d = info.embedding_dim
    features = {image_key(size): tf.io.FixedLenFeature([], tf.string)}
    if condition == "image":
        features["image_embedding"] = tf.io.FixedLenFeature([d], tf.float32)
    if condition in ("text", "both"):
        features["text_embeddings"] = tf.io.FixedLenSequenceFeature([d], tf.float32, allow_missing=True)
    if condition in ("attributes", "both"):
        features["attributes"] = tf.io.FixedLenFeature([len(info.attributes)], tf.int64)
    return lambda record: tf.io.parse_single_example(record, features)


def _decoder(size, condition):
    """A function from a parsed record to its image and its condition: one row a caption where it has any."""
    import tensorflow as tf

    def decode(parsed):
        image = tf.io.decode_jpeg(parsed[image_key(size)], channels=3, dct_method="INTEGER_ACCURATE")
        image = tf.image.convert_image_dtype(tf.ensure_shape(image, (size, size, 3)), tf.float32)
        if not condition:
            return image, tf.zeros([0])
        if condition == "image":
            return image, parsed["image_embedding"]
        if condition == "text":
            return image, parsed["text_embeddings"]
        attributes = tf.cast(parsed["attributes"], tf.float32)
        if condition == "attributes":
            return image, attributes
        texts = parsed["text_embeddings"]
        return image, tf.concat([tf.tile(attributes[None], (tf.shape(texts)[0], 1)), texts], axis=1)

    return decode


def _with_each(image, embeddings):
    """Gives the image with each of its captions' embeddings in turn."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(embeddings).map(lambda embedding: (image, embedding))


def _shuffled(dataset, count, seed, epoch):
    """`Dataset.shuffle` with an order of the seed's and the epoch's own, whatever TensorFlow's global seed is."""
    import tensorflow as tf

    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(dataset),
        buffer_size=min(SHUFFLE_BUFFER, count),
        # Two zeros would mean a random seed.
        seed=seed + 1,
        seed2=epoch + 1,
        output_types=[dataset.element_spec.dtype],
        output_shapes=[[]],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(shuffled, dataset.element_spec)


def load(
    folder: PathLike,
    size: int,
    condition: str,
    split: str,
    batch_size: int,
    seed: int = 0,
    first_epoch: int = 0,
    repeat: bool = False,
    mirrored: bool = False,
    crop: int | None = None,
    reduced: bool = False,
    share: tuple[int, int] = (0, 1),
) -> Any:
    """Batches of (image, condition) from a folder of embedded shards.

    Training shuffles encoded records, anew each epoch, draws one caption an image where the condition has text, and
    drops the last incomplete batch. Validation keeps the order and every image, with "text" once for every caption,
    with "both" with its first.

    Args:
        folder: a folder that clip_wrapper.py made.
        size: 64 or 128, or another size that the records hold, in pixels.
        condition: one of `CONDITIONS`, or "" for images alone.
        split: "train" or "val".
        batch_size: pairs a batch.
        seed: the same seed gives the same batches in the same order.
        first_epoch: the epoch to begin with, so that a resumed training sees what it would have seen.
        repeat: whether to go on with further epochs without end.
        mirrored: whether training mirrors half of the images, others each epoch.
        crop: side in pixels of the square that training cuts out of each image, anywhere; None for whole images.
        reduced: whether half of those squares are whole images, reduced to that side.
        share: (k, n) for the k-th of n equal parts of each batch of training, from 0.

    Returns:
        A `tf.data.Dataset` of image float32 (batch_size, size, size, 3), or cropped, in [0, 1] and condition float32
        (batch_size, `condition_dim`), or parts of such batches: embeddings are L2-normalised, attributes 0 or 1 and
        before them.

    Raises:
        UserError: see `preprocess.shards.info.read_info`; a size, condition or split that is not there; fewer images
            than a batch.
    """
    info = read_info(folder, embedded=condition != "")
    training = split == "train"
    _check(info, size, condition, split, batch_size if training else 1)
    import_tensorflow()
    if not training:
        return _validation_batches(info, size, condition, split, batch_size)
    augmented = _augmentation(info, condition, seed, mirrored, crop, reduced)
    return _training_batches(info, size, condition, batch_size, seed, first_epoch, repeat, augmented, share)


def _check(info, size, condition, split, batch_size):
    folder = info.folder
    if size not in info.sizes:
        sizes = ", ".join(map(str, info.sizes))
        raise UserError(
            f"{folder} holds images of {sizes} px, not {size}; prepare them again with --sizes {size} 224, and embed "
            "them again."
        )
    if condition not in ("", *CONDITIONS) or split not in SPLITS:
        raise UserError(f"condition is one of {CONDITIONS} and split one of {SPLITS}, not {condition!r} and {split!r}.")
    if condition in ("attributes", "both") and not info.attributes:
        raise UserError(f"{folder} has no attributes; prepare portraits with `python -m preprocess.celeba`.")
    if not info.counts[split]:
        raise UserError(f"{folder} has no {split} images; prepare more images, with --theme or --words.")
    if info.counts[split] < batch_size:
        raise UserError(
            f"{folder} has {info.counts[split]} {split} images, fewer than a batch of {batch_size}; "
            "use a smaller --batch-size or more images."
        )


def _validation_batches(info, size, condition, split, batch_size):
    """Every image once, in order; with "text" once for every caption."""
    import tensorflow as tf

    parse, decode = _parser(info, size, condition), _decoder(size, condition)
    records = tf.data.TFRecordDataset([str(path) for path in info.paths(split)])
    pairs = records.map(lambda record: decode(parse(record)), num_parallel_calls=tf.data.AUTOTUNE)
    if condition == "both":
        pairs = pairs.map(lambda image, rows: (image, rows[0]))
    batches = (pairs.flat_map(_with_each) if condition == "text" else pairs).batch(batch_size)
    # flat_map hides how many there are.
    steps = -(-info.examples(condition, split) // batch_size)
    return untuned(batches.apply(tf.data.experimental.assert_cardinality(steps)))


def _augmentation(info, condition, seed, mirrored, crop, reduced):
    """A function (epoch, number, image, condition) to the pair that training sees."""
    import tensorflow as tf

    def augment(epoch, number, image, embedding):
        # One seed an epoch and a place in it, far apart for neighbouring seeds.
        place = tf.stack([seed * 1_000_003 + epoch, number])
        if mirrored:
            image = tf.image.stateless_random_flip_left_right(image, place)
        if crop:
            lot = tf.stack([place[0], -1 - place[1]])
            whole, image = image, tf.image.stateless_random_crop(image, (crop, crop, 3), lot)
            if reduced:
                small = tf.image.resize(whole, (crop, crop), "area")
                image = tf.where(tf.random.stateless_uniform((), -1 - place) < 0.5, small, image)
        if condition in ("text", "both"):
            chosen = tf.random.stateless_uniform((), place, 0, tf.shape(embedding)[0], tf.int32)
            embedding = tf.ensure_shape(embedding[chosen], (info.condition_dim(condition),))
        return image, embedding

    return augment


def _training_batches(info, size, condition, batch_size, seed, first_epoch, repeat, augment, share):
    """Whole batches in an order of each epoch's own."""
    import tensorflow as tf

    parse, decode = _parser(info, size, condition), _decoder(size, condition)
    paths = [str(path) for path in info.paths("train")]
    # Whole batches are taken of every epoch, so that one never holds images of two.
    count = info.counts["train"] // batch_size * batch_size
    part, parts = share
    size_of_part = batch_size // parts

    def epoch_records(epoch):
        shards = _shuffled(tf.data.Dataset.from_tensor_slices(paths), len(paths), seed, epoch)
        records = shards.interleave(tf.data.TFRecordDataset, SHARDS_AT_ONCE)
        order = _shuffled(records, info.counts["train"], seed, epoch).take(count).enumerate()
        if parts > 1:
            # Before images are decoded.
            order = order.filter(lambda number, record: number % batch_size // size_of_part == part)
        return order.map(lambda number, record: (epoch, number, record))

    def pair(epoch, number, record):
        return augment(epoch, number, *decode(parse(record)))

    epochs = tf.data.Dataset.range(first_epoch, tf.int64.max if repeat else first_epoch + 1)
    pairs = epochs.flat_map(epoch_records).map(pair, num_parallel_calls=tf.data.AUTOTUNE)
    steps = tf.data.INFINITE_CARDINALITY if repeat else count // batch_size
    batches = pairs.batch(size_of_part, drop_remainder=True)
    return untuned(batches.apply(tf.data.experimental.assert_cardinality(steps)))
