"""The same work on many items in processes that are forked: each has what this one has in memory,
and nothing is sent.
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
    """work(item) for each item, in their order and a few items ahead of what is taken.

    `work` may hold what is too large to send; items and results are sent. Raises what the work
    raises.
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
    global _work  # a process has one work for its life
    _work = work
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Nobody else ends a worker whose parent was killed: it would wait for work for ever."""
    parent_process().join()
    os._exit(1)


def _run(item: Item) -> Result:
    return _work(item)
