"""The interface through which a replica's work with the brokers reaches its metrics."""

from typing import Literal, Protocol


class Observer(Protocol):
    """Receives events. Its methods must not raise, because callbacks of the client call them."""

    def committed(self, result: Literal["ok", "failed", "not_owner"]) -> None:
        """A commit ended with a result."""

    def rebalance(self, kind: Literal["assigned", "revoked", "lost"]) -> None:
        """Partitions were assigned, revoked or lost."""

    def lag(self, topic: str, partition: int, records: int) -> None:
        """The lag of an owned partition was measured."""

    def forget(self, topic: str, partition: int) -> None:
        """A partition is no longer owned."""

    def deleted(self, topic: str, partition: int, offsets: int) -> None:
        """Offsets were deleted before they were read."""
