"""How detectors share the partitions: each keeps at most its share, the broker does the rest."""

from __future__ import annotations

from fleet.broker import Consumer


class PartitionShare:
    """The partitions whose calls this detector judges.

    The share is the number of partitions divided by that of detectors, rounded up. What is above it
    is given up, and the broker gives it to the next detector in line. A surplus is only found with
    a count of the detectors that is younger than the latest partition, so that a partition is
    not passed round after a detector has died.
    """

    def __init__(self, consumer: Consumer, partitions: int):
        self._consumer, self._partitions = consumer, partitions
        self._held: list[int] = []
        self._answers = 0

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

    def surplus(self) -> list[int]:
        """The partitions to give up, those that came last."""
        detectors, answers = self._consumer.members
        if answers < self._answers:
            return []
        share = -(-self._partitions // detectors)
        return self._held[share:]
