"""Who is told of what a replica does with the brokers: the metrics."""

from typing import Literal, Protocol


class Observer(Protocol):
    """Takes note, and raises nothing: it is called in callbacks of the client."""

    def committed(self, result: Literal["ok", "failed", "not_owner"]) -> None:
        """A commit's result came: ok, failed or not_owner."""

    def rebalance(self, kind: Literal["assigned", "revoked", "lost"]) -> None:
        """Partitions were assigned, revoked or lost."""

    def lag(self, topic: str, partition: int, records: int) -> None:
        """How far a partition of ours is behind."""

    def forget(self, topic: str, partition: int) -> None:
        """A partition is no longer ours."""

    def deleted(self, topic: str, partition: int, offsets: int) -> None:
        """So many offsets were deleted before they were read."""
