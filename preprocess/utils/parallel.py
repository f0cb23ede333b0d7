"""One way to use every core: a function mapped over items by processes, results in order."""

import collections
import concurrent.futures
import concurrent.futures.process
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from preprocess.utils.command import describe_exit
from preprocess.utils.errors import UserError

# Items handed out but not yet taken back, a worker: enough that none waits, few enough that memory stays flat.
AHEAD = 4


def available_cores() -> int:
    """The number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity
        return os.cpu_count() or 1


def _leave_with_parent():
    """Ends this worker when its parent is gone, however that ended, and leaves Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait():
        parent: Any = multiprocessing.parent_process()
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Holds Ctrl-C back; processes that are started meanwhile never see it, and leave it to their parent.

    A worker ignores it once it runs, but may be interrupted before, while it imports, with a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Hides the script that runs from processes that are started.

    They would run it up to its main guard, or wholly if it has none, for nothing: no function of a script's is mapped.
    """
    main: Any = sys.modules["__main__"]
    hidden = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


def _ends(processes: Iterable[Any]) -> str:
    """How the first of some processes that ended by itself did so; the others are ended when one is lost."""
    codes = [process.exitcode for process in processes]
    own = [code for code in codes if code not in (None, 0, -signal.SIGTERM)]
    return describe_exit(next(iter(own or codes), None))


def ordered_map(function: Callable[..., Any], items: Iterable[Any], workers: int, chunk: int = 8) -> Iterator[Any]:
    """Yields `function(item)` for every item, in the items' order, computed by `workers` processes.

    `function` and the items must be picklable. At most `AHEAD * chunk` items a worker are under way, so an endless
    iterable takes no more memory than a short one.

    Raises:
        UserError: a worker was ended from outside, perhaps because memory ran out.
    """
    # "spawn" and not "fork": a forked copy of a process that runs TensorFlow's threads may deadlock.
    context = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_with_parent)
    pending: collections.deque[Any] = collections.deque()
    others = set(multiprocessing.active_children())
    started: set[Any] = set()
    try:
        for group in _grouped(items, chunk):
            with _without_main(), _without_ctrl_c():
                pending.append(pool.submit(_apply, function, group))
            started |= set(multiprocessing.active_children()) - others if len(started) < workers else set()
            if len(pending) >= AHEAD * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    except concurrent.futures.process.BrokenProcessPool:
        pool.shutdown(wait=True)
        raise UserError(f"a worker process {_ends(started)}; run this again, with fewer --workers.") from None
    except (KeyboardInterrupt, SystemExit):
        # A task may take hours; those that write files have them appear whole or not at all.
        for process in started:
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _grouped(items, size):
    group = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _apply(function, group):
    return [function(item) for item in group]
