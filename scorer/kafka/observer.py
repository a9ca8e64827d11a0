"""The interface through which a replica's work with the brokers reaches its metrics."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from scorer.kafka.offsets import Partition


class Observer(Protocol):
    """Receives events. Its methods must not raise, because callbacks of the client call them."""

    def committed(self, result: Literal["ok", "failed", "not_owner"]) -> None:
        """A commit ended with a result."""

    def confirmed(self, offsets: Mapping[Partition, int]) -> None:
        """The brokers confirmed that these offsets are committed."""

    def rebalance(self, kind: Literal["assigned", "revoked", "lost"]) -> None:
        """Partitions were assigned, revoked or lost."""

    def lag(self, topic: str, partition: int, records: int) -> None:
        """The lag of an owned partition was measured."""

    def forget(self, topic: str, partition: int) -> None:
        """A partition is no longer owned."""

    def deleted(self, topic: str, partition: int, offsets: int) -> None:
        """Offsets were deleted before they were read."""


class Observers:
    """Passes on everything to several observers, in their order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def committed(self, result: Literal["ok", "failed", "not_owner"]) -> None:
        """Pass it on."""
        for each in self._observers:
            each.committed(result)

    def confirmed(self, offsets: Mapping[Partition, int]) -> None:
        """Pass it on."""
        for each in self._observers:
            each.confirmed(offsets)

    def rebalance(self, kind: Literal["assigned", "revoked", "lost"]) -> None:
        """Pass it on."""
        for each in self._observers:
            each.rebalance(kind)

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Pass it on."""
        for each in self._observers:
            each.lag(topic, partition, records)

    def forget(self, topic: str, partition: int) -> None:
        """Pass it on."""
        for each in self._observers:
            each.forget(topic, partition)

    def deleted(self, topic: str, partition: int, offsets: int) -> None:
        """Pass it on."""
        for each in self._observers:
            each.deleted(topic, partition, offsets)
