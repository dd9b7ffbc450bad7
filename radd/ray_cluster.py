"""Ordered parallel map on a Ray cluster. The only module that imports ray."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Generic

from radd.errors import ConfigError
from radd.parallel import AHEAD, Item, Result, Work


def in_order(
    prepare: Callable[[], Work[Item, Result]], items: Iterable[Item], jobs: int
) -> Iterator[Result]:
    """prepare()(item) for each item, in order, on `jobs` actors of one CPU each.

    Uses the cluster in RAY_ADDRESS, else starts one on this machine and stops it. Every node needs
    the project and the audio under the same paths. Raises ConfigError if ray is not installed, else
    what the work raises.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # ray would report usage to its vendor
    try:
        import ray
    except ImportError:
        raise ConfigError("--engine ray: ray is not installed; pip install -e '.[ray]'") from None
    address = os.environ.get("RAY_ADDRESS")
    local = {} if address else {"num_cpus": jobs, "include_dashboard": False}
    environ = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ray.init(
        address,
        log_to_driver=False,
        logging_level="error",
        runtime_env={"env_vars": environ},
        **local,
    )
    try:
        actors = [ray.remote(_Worker).remote(prepare) for _ in range(jobs)]
        yield from _in_turn(ray, actors, iter(items))
    finally:
        ray.shutdown()


def work_in_order(work: Work[Item, Result], items: Iterable[Item], jobs: int) -> Iterator[Result]:
    """work(item) for each item, in order; `work` is pickled once for each actor. Raises as
    in_order.
    """
    return in_order(partial(_same, work), items, jobs)


def _same(work: Work[Item, Result]) -> Work[Item, Result]:
    return work


def _in_turn(ray, actors: list, items: Iterator[Item]) -> Iterator[Result]:
    ahead = deque(
        actors[i % len(actors)].run.remote(item)
        for i, item in enumerate(islice(items, AHEAD * len(actors)))
    )
    turn = len(ahead)
    while ahead:
        try:
            result = ray.get(ahead.popleft())
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        for item in islice(items, 1):
            ahead.append(actors[turn % len(actors)].run.remote(item))
            turn += 1
        yield result


class _Worker(Generic[Item, Result]):
    def __init__(self, prepare: Callable[[], Work[Item, Result]]):
        self._work = prepare()

    def run(self, item: Item) -> Result:
        return self._work(item)
