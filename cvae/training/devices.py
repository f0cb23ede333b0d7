"""All of a machine's devices for one training: each takes an equal part of every batch."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from preprocess.utils.errors import UserError, counted

ALL = "all"


@contextlib.contextmanager
def on_devices(wanted: str, batch_size: int, shares: bool) -> Iterator[int]:
    """Has models that are built or loaded meanwhile train on several devices; a context manager.

    Args:
        wanted: "all", or how many.
        batch_size: examples a step, on all of them together: the most devices that can share it equally are taken.
        shares: whether the model's loss is a mean over examples, so that TensorFlow's replicas can have a part each.

    Yields:
        How many devices train.

    Raises:
        UserError: there are not so many, or the batch cannot be shared among as many as are named.
    """
    if wanted != ALL and not (wanted.isdecimal() and int(wanted)):
        raise UserError(f'--devices must be "{ALL}" or a whole number, 1 or more.')
    names, hosts = device_names(), process_count()
    if hosts > 1:
        if wanted != ALL or batch_size % len(names):
            raise UserError(
                f"{hosts} hosts train with all of their {len(names)} devices, which share a batch equally; leave "
                f"--devices out, and give a --batch-size that {len(names)} divides."
            )
        with _jax_mesh(names):
            yield len(names)
        return
    most = len(names) if wanted == ALL else int(wanted)
    if most > len(names):
        there = f"there {'is' if len(names) == 1 else 'are'} {counted(len(names), 'device')} here"
        raise UserError(f"{there}, not {most}; give --devices {len(names)}.")
    count = next(number for number in range(most, 0, -1) if batch_size % number == 0)
    if wanted != ALL and count < most:
        raise UserError(f"a batch of {batch_size} cannot be shared by {most} devices; give another --batch-size.")
    if count > 1 and not shares and keras.backend.backend() == "tensorflow":
        print("note: this model's loss is of whole batches; on TensorFlow it trains on one device, on JAX on all.")
        count = 1
    if count == 1:
        yield 1
        return
    if count < len(names):
        print(f"note: {count} of {len(names)} devices train, as many as a batch of {batch_size} can be shared by.")
    with _tensorflow_replicas(names[:count]) if keras.backend.backend() == "tensorflow" else _jax_mesh(names[:count]):
        yield count


def shared_equally(batches: Any) -> Any:
    """Batches, a `tf.data.Dataset`, of which the devices that train, if there are several, can have equal parts.

    A last batch that cannot be shared so has its first examples twice: fewer of a pass than there are devices.
    """
    import tensorflow as tf

    mesh = keras.distribution.distribution()
    count = mesh.device_mesh.devices.size if mesh else tf.distribute.get_strategy().num_replicas_in_sync
    if count == 1:
        return batches

    def filled_up(*batch):
        length = tf.shape(keras.tree.flatten(batch)[0])[0]
        examples = tf.range(-(-length // count) * count) % length
        return keras.tree.map_structure(lambda part: tf.gather(part, examples), batch)

    return batches.map(filled_up)


def process_count() -> int:
    """How many hosts JAX has joined."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return jax.process_count()


def device_names() -> list[str]:
    """The GPUs or TPU cores of this machine, or, where there are none, its CPU, as often as it is divided.

    With several hosts those of all.
    """
    if keras.backend.backend() == "jax":
        return [str(name) for name in keras.distribution.list_devices()]
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in devices]


@contextlib.contextmanager
def _tensorflow_replicas(names: list[str]) -> Iterator[None]:
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(names).scope():
        yield


@contextlib.contextmanager
def _jax_mesh(names: list[str]) -> Iterator[None]:
    before = keras.distribution.distribution()
    # Batches are parted by this project, which knows their order.
    mesh = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
    keras.distribution.set_distribution(mesh)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)
