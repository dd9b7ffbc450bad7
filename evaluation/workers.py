"""The same work on many items in several processes, results in order, with constant memory."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from radd.errors import RaddError

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Item], Result]
BATCHES_AHEAD = 3

_work: Work | None = None


def processors() -> int:
    """Those that this process may use, which a container or taskset can make fewer than the machine
    has.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(prepare: Callable[[], Work], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """prepare()(item) for each item, in the order of the items.

    With one job in this process, else `prepare` runs once in each of `jobs` processes and must be
    picklable. Raises what the work raises, and RaddError when a process is killed.
    """
    if jobs == 1:
        work = prepare()
        yield from map(work, items)
        return
    items = iter(items)
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _start, (prepare,))
    try:
        ahead = deque(pool.submit(_run, item) for item in islice(items, BATCHES_AHEAD * jobs))
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


def _start(prepare: Callable[[], Work]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends the others
    _work = prepare()


def _run(item: Item) -> Result:
    return _work(item)
