"""Ordered parallel map over processes, with constant memory."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from radd.errors import RaddError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Item], Result]
InOrder = Callable[[Work, Iterable, int], Iterator]
"""work(item) for each item, in the order of the items, in so many processes"""
AHEAD = 3  # items per process that are submitted before the first result is taken

_work: Callable[[Any], Any] | None = None  # a process has one work for its life


def processors() -> int:
    """The processors that this process may use; a container or taskset can allow fewer than the
    machine has.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    prepare: Callable[[], Work[Item, Result]], items: Iterable[Item], jobs: int
) -> Iterator[Result]:
    """prepare()(item) for each item, in the order of the items.

    With one job in this process, else `prepare` runs once in each of `jobs` new processes and must
    be picklable. Raises what the work raises, and RaddError if a process is killed.
    """
    yield from map(prepare(), items) if jobs == 1 else _pooled(prepare, items, jobs, "spawn")


def forked_in_order(work: Work[Item, Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """work(item) for each item, in the order of the items, in `jobs` forked processes.

    Large inputs that `work` holds are inherited by fork instead of pickled. Raises as in_order.
    """
    return _pooled(partial(_same, work), items, jobs, "fork")


@dataclass(frozen=True, slots=True)
class Workers:
    """How much work is done at once, and where."""

    count: int
    """processes, or actors of one CPU on a cluster"""
    in_order: InOrder = forked_in_order


def _same(work: Work[Item, Result]) -> Work[Item, Result]:
    return work


def _pooled(
    prepare: Callable[[], Work[Item, Result]], items: Iterable[Item], jobs: int, start: str
) -> Iterator[Result]:
    items = iter(items)
    pool = ProcessPoolExecutor(jobs, get_context(start), _start, (prepare,))
    try:
        ahead = deque(pool.submit(_run, item) for item in islice(items, AHEAD * jobs))
        while ahead:
            result = ahead.popleft().result()
            ahead.extend(pool.submit(_run, item) for item in islice(items, 1))
            yield result
    except BrokenProcessPool:
        raise RaddError(
            "a worker process was killed, perhaps for want of memory; use fewer --jobs"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _start(prepare: Callable[[], Work[Any, Any]]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    Thread(target=_end_with_parent, daemon=True).start()
    _work = prepare()


def _end_with_parent() -> None:
    """End this worker if its parent was killed; it would wait for work for ever."""
    parent = parent_process()
    assert parent is not None  # this runs in a worker
    parent.join()
    os._exit(1)


def _run(item: Any) -> Any:
    assert _work is not None  # _start runs first
    return _work(item)
