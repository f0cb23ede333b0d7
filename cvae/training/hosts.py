"""Several hosts for one training, on JAX: each trains on its part of every batch, and the first one writes the run.

Every host computes what one host alone would, so that all of them come to the same weights; the others write their
files into folders that are removed.
"""

import contextlib
import ctypes
import dataclasses
import inspect
import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from preprocess.utils.errors import UserError, check_whole, first_line
from preprocess.utils.parallel import ordered_map

# What Keras itself goes by: addresses, of which the first is the coordinator's, the number of hosts, and this one's.
VARIABLES = ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
PREFIX = "KERAS_DISTRIBUTION_"
# How long a host that is silent counts as there.
SILENCE_S = 30
GONE = "another host of this training ended or cannot be reached; start all hosts again with --resume to go on."
# Folders of this process's own, which go with it.
_scratch: list[str] = []
# Kept for as long as C knows it.
_handler: Any = None
# What C++ writes, of which that many letters are shown where the reason is another.
_said: Any = None
LAST_WORDS = 1000
# Folders of a run that only its first host reads or writes, or that all read.
OWN, READ = ("samples", "tensorboard", "gallery", "generated"), ("latents", "autoencoder")


@dataclasses.dataclass(frozen=True)
class Hosts:
    """The hosts of a training: where the first one listens, host:port, how many there are, and which this one is."""

    coordinator: str
    count: int
    number: int

    @classmethod
    def of(
        cls,
        coordinator: str | None = None,
        count: int | None = None,
        number: int | None = None,
        variables: Mapping[str, str] = os.environ,
    ) -> "Hosts | None":
        """Those that options or else KERAS_DISTRIBUTION_* name; None for one host alone.

        Raises:
            UserError: some are named and others not, or are none.
        """
        given = [coordinator, count, number]
        if given == [None] * 3:
            given = [variables.get(PREFIX + name) for name in VARIABLES]
        if given == [None] * 3:
            return None
        if None in given:
            raise UserError("give --coordinator, --hosts and --host together, or none of them.")
        address = str(given[0]).split(",")[0]
        if not address.rpartition(":")[0] or not address.rpartition(":")[2].isdecimal():
            raise UserError(f"--coordinator {address} names no host and port; give such as 10.0.0.1:4711.")
        try:
            count, number = int(given[1] or 0), int(given[2] or 0)
        except ValueError:
            raise UserError(f"{PREFIX}{VARIABLES[1]} and {VARIABLES[2]} must be whole numbers.") from None
        check_whole("hosts", count, 1)
        check_whole("host", number, 0, count - 1)
        if count > 1 and keras.backend.backend() != "jax":
            raise UserError("several hosts train on JAX, which Keras supports there; set KERAS_BACKEND=jax on each.")
        return cls(address, count, number) if count > 1 else None

    def part(self, batches: Any, batch_size: int | None = None) -> Any:
        """This host's part of batches, a `tf.data.Dataset` whose batches can be shared equally.

        Where their reader has given this host's part of `batch_size` already, they are as they should be.
        """
        import tensorflow as tf

        if batch_size and keras.tree.flatten(batches.element_spec)[0].shape[0] == batch_size // self.count:
            return batches

        def take(*batch):
            size = tf.shape(keras.tree.flatten(batch)[0])[0] // self.count
            return keras.tree.map_structure(lambda part: part[self.number * size :][:size], batch)

        return batches.map(take)


@contextlib.contextmanager
def joined(hosts: Hosts, folder: pathlib.Path, begin: Callable[[Any], Any]) -> Iterator[pathlib.Path]:
    """Joins a training's hosts; a context manager.

    Args:
        hosts: they. folder: the run folder, which all hosts see.
        begin: does on the first host what comes before the model, with any argument, in a process of its own;
            picklable.

    Yields:
        The folder in which this host trains: the run folder on the first one.

    A host that is gone ends the others, with a sentence.
    """
    with contextlib.ExitStack() as held:
        if hosts.number == 0:
            # Of its own, since JAX must not have computed anything before its hosts are joined.
            list(ordered_map(begin, [None], workers=1))
            _connect(hosts)
        else:
            _wait(hosts)
            _connect(hosts)
            scratch = held.enter_context(tempfile.TemporaryDirectory())
            _scratch.append(scratch)
            folder = _copy(folder, pathlib.Path(scratch))
        try:
            yield folder
        except BaseException as error:
            if _is_of_hosts(error):
                _end()
            _leave()
            raise


def _wait(hosts):
    """Waits until the first host listens, which it does when all that comes before training is done."""
    host, _, port = hosts.coordinator.rpartition(":")
    said = False
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except socket.gaierror as error:
            raise UserError(f"--coordinator {hosts.coordinator} is not known ({error.strerror}).") from None
        except OSError:
            if not said:
                print(
                    f"waiting for host 0 at {hosts.coordinator}, which prepares the run; Ctrl-C ends this ...",
                    file=sys.stderr,
                )
            said = True
            time.sleep(0.5)


def _connect(hosts):
    import jax

    _say_so_when_aborted()
    try:
        initialize = jax.distributed.initialize
        # Of later versions than the first that will do.
        known = "heartbeat_timeout_seconds" in inspect.signature(initialize).parameters
        silence = {"heartbeat_timeout_seconds": SILENCE_S} if known else {}
        initialize(hosts.coordinator, hosts.count, hosts.number, **silence)
    except RuntimeError as error:
        raise UserError(f"the hosts of {hosts.coordinator} cannot be joined ({first_line(error)}).") from None


def _say_so_when_aborted():
    """Has a host that is gone end this process with a sentence: JAX aborts it, from a thread of its own.

    By C's own handler, since Python's run when the aborting function has returned, which it does not. An abort that
    JAX calls is no crash: memory is whole, and Python can run.
    """
    global _handler, _said

    @ctypes.CFUNCTYPE(None, ctypes.c_int)
    def handler(number):
        _said.seek(0)
        said = _said.read().decode(errors="replace")
        _end(GONE if _names_hosts(said) else f"JAX ended this process: {said[-LAST_WORDS:].strip()}")

    _handler = handler
    ctypes.CDLL(None).signal(signal.SIGABRT, handler)
    # What Python writes stays; what C++ writes before it aborts, a page of addresses, goes where the handler reads it.
    sys.stderr.flush()
    sys.stderr = open(os.dup(2), "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    _said = tempfile.TemporaryFile()  # noqa: SIM115
    os.dup2(_said.fileno(), 2)


def _copy(folder, scratch):
    """A copy of a run folder to train in, without what only its first host writes."""
    copy = scratch / folder.name
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*OWN, *READ, ".partial-*"))
    for name in READ:
        if (folder / name).is_dir():
            (copy / name).symlink_to((folder / name).resolve(), target_is_directory=True)
    return copy


def _is_of_hosts(error):
    """Whether an error of JAX's comes of another host, which is gone."""
    # JAX's own is a RuntimeError; of collectives on CPUs it makes a ValueError.
    return isinstance(error, (RuntimeError, ValueError)) and _names_hosts(str(error))


def _names_hosts(text):
    words = ("Gloo", "gloo", "NCCL", "peer", "coordination", "heartbeat", "distributed service", "UNAVAILABLE")
    return any(word in text for word in words)


def _end(reason=GONE):
    """Ends this process, from whatever thread, since none can go on without the others."""
    sys.stderr.write(f"\nerror: {reason}\n")
    sys.stderr.flush()
    for folder in _scratch:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(2)


def _leave():
    """Has this process end without the others, which JAX would wait for."""
    from jax._src import distributed

    state = distributed.global_state
    state.preemption_sync_manager = state.client = state.service = None
