"""How detectors share the partitions: each keeps at most its share, the broker does the rest."""

from __future__ import annotations

import numpy as np

from fleet.broker import Consumer


class PartitionShare:
    """The partitions whose calls this detector judges.

    The share is the number of partitions divided by that of detectors, rounded up. What is above it
    is given up, and the broker gives it to the next detector in line. The line of a partition
    is in the order in which the detectors came; scattered() mixes it. A surplus is only found with
    a count of the detectors that is younger than the latest partition, so that a partition is
    not passed round after a detector has died.
    """

    def __init__(self, consumer: Consumer, partitions: int):
        self._consumer, self._partitions = consumer, partitions
        self._held: list[int] = []
        self._answers = 0
        self._detectors = 1
        self._rng = np.random.default_rng()

    def hold(self, partition: int) -> None:
        """A message of the partition has come."""
        if partition not in self._held:
            self._held.append(partition)
            self._answers = self._consumer.members[1] + 1
            self._consumer.count()

    def drop(self, partition: int) -> None:
        """The partition is no longer this detector's."""
        if partition in self._held:
            self._held.remove(partition)

    def held(self) -> tuple[int, ...]:
        """The partitions, in the order in which they came."""
        return tuple(self._held)

    def scattered(self) -> list[int]:
        """Partitions without calls to give up because detectors have joined: drawn so that all get
        some of the next calls.
        """
        before, self._detectors = self._detectors, self._consumer.members[0]
        if self._detectors <= before:
            return []
        idle = [each for each in range(self._partitions) if each not in self._held]
        leave = self._rng.random(len(idle)) > 1 / self._detectors
        return [each for each, leaves in zip(idle, leave, strict=True) if leaves]

    def surplus(self) -> list[int]:
        """The partitions to give up, those that came last."""
        detectors, answers = self._consumer.members
        if answers < self._answers:
            return []
        share = -(-self._partitions // detectors)
        return self._held[share:]
