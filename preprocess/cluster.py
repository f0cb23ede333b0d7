"""Whole shards handed to a Ray cluster: what `preprocess.utils.parallel` does on one machine, image by image.

A shard appears whole or not at all, so that one whose machine is lost is made again by another.
"""

import collections
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from preprocess.utils.errors import UserError, first_line
from preprocess.utils.parallel import available_cores
from preprocess.utils.places import is_remote

# Shards under way, a core: enough that none waits.
AHEAD = 2
# How often the same work may be lost: more than that is no machine's end but the work's own fault, or a machine's on
# which this project is not installed.
LOSSES = 5


@contextlib.contextmanager
def joined(address: str) -> Iterator[Any]:
    """Joins a Ray cluster; a context manager that yields `ray`.

    Args:
        address: of its head, or "auto" for the one that this machine belongs to.

    Raises:
        UserError: there is none, or Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise UserError("--cluster needs Ray; run `pip install 'ray>=2.9'` on each machine first.") from None
    _check_listens(address)
    # Else Ray prints a line of its own for each lost worker, and more.
    os.environ.setdefault("RAY_DEDUP_LOGS", "1")
    try:
        ray.init(address, logging_level=logging.ERROR, log_to_driver=False, runtime_env={"env_vars": _environment()})
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _none_at(address, error) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _none_at(address: str, error: Exception) -> UserError:
    return UserError(
        f"no Ray cluster is at {address} ({first_line(error)}); begin one by `ray start --head`, or give its address."
    )


def _check_listens(address: str) -> None:
    """Raises a UserError where nothing listens at host:port, which Ray itself takes seven minutes to say."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise _none_at(address, error) from None


def _environment() -> dict[str, str]:
    """What a cluster's workers need of this process's environment."""
    # TensorFlow only reads and writes records there.
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    # Ray has one thread, and sums of another order have other last digits than here.
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(available_cores()))}
    return quiet | threads | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def there(place: Any) -> str:
    """A file's or folder's name as other machines know it: a whole one."""
    return str(place) if is_remote(place) else os.path.abspath(place)


def map_tasks(ray: Any, function: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Yields `function(*item)` for every item, in whatever order they are done; a lost one is done again.

    An endless iterable takes no more memory than a short one.
    """
    task = ray.remote(max_retries=LOSSES)(function)
    todo, running = iter(items), set[Any]()
    while True:
        # Machines may join or leave meanwhile.
        most = max(1, int(ray.cluster_resources().get("CPU", 1))) * AHEAD
        running |= {task.remote(*item) for item in itertools.islice(todo, max(0, most - len(running)))}
        if not running:
            return
        [done], _ = ray.wait(list(running), num_returns=1)
        running.remove(done)
        yield _result(ray, done)


def map_actors(ray: Any, kind: Any, given: tuple[Any, ...], items: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Yields `kind(*given).work(*item)` for every item, in whatever order they are done; a lost one is done again.

    There is one `kind` a GPU, or a machine where there are none, and one in place of each that is lost. Each gets
    items once its `ready` has ended, since it may have to wait for a machine.
    """
    gpus = int(ray.cluster_resources().get("GPU", 0))
    remote = ray.remote(num_cpus=1, num_gpus=1 if gpus else 0, scheduling_strategy="SPREAD")(kind)
    machines = sum(node["Alive"] for node in ray.nodes())
    todo, idle = collections.deque(items), list[Any]()
    running: dict[Any, tuple[Any, Any]] = {}
    losses: collections.Counter[Any] = collections.Counter()

    def begin():
        actor = remote.remote(*given)
        running[actor.ready.remote()] = actor, None

    for _ in range(min(gpus or machines, len(items))):
        begin()
    while todo or any(item for _, item in running.values()):
        while todo and idle:
            actor, item = idle.pop(), todo.popleft()
            running[actor.work.remote(*item)] = actor, item
        [done], _ = ray.wait(list(running), num_returns=1)
        actor, item = running.pop(done)
        try:
            result = _result(ray, done)
        except ray.exceptions.RayActorError as error:
            losses[item] += 1
            if losses[item] > LOSSES:
                raise _lost(error) from None
            todo.extend([item] if item else [])
            begin()
            continue
        idle.append(actor)
        if item:
            yield result


def _result(ray, done):
    """What was computed, or the error of it as it was raised there."""
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayActorError:
        raise
    except ray.exceptions.RayError as error:
        raise _lost(error) from None


def _lost(error):
    return UserError(
        f"the cluster loses its workers ({first_line(error)}); see /tmp/ray/session_latest/logs there, then "
        "run the same command again to go on."
    )
