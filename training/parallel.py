"""Ordered parallel map over forked workers; large inputs are inherited by fork instead of
pickled.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_work: Callable | None = None


def ordered_map(
    work: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """work(item) for each item, in order and a few items ahead of the consumer.

    `work` may hold data that is too large to pickle; items and results are pickled. Raises what
    `work` raises.
    """
    with ProcessPoolExecutor(workers, get_context("fork"), _adopt, (work,)) as pool:
        ahead: deque = deque()
        for item in items:
            ahead.append(pool.submit(_run, item))
            if len(ahead) > 4 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _adopt(work: Callable) -> None:
    global _work  # a process has a single `work` for its lifetime
    _work = work
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Make the worker exit with its parent; otherwise it would wait forever if the parent is
    killed.
    """
    parent_process().join()
    os._exit(1)


def _run(item: Item) -> Result:
    return _work(item)
