"""Commits of positions beyond the last records, under exactly-once."""

from collections.abc import Callable, Mapping

from scorer.errors import Aborted
from scorer.kafka.delivery.exactly_once import TransactionalSink
from scorer.kafka.offsets import Partition


class PositionCommits:
    """Carries commits in transactions that hold offsets alone.

    Args:
        sink: whose producer makes them, so that they cannot overtake a batch's or be overtaken.
        membership: returns the group's token of this member, as of now.
    """

    def __init__(self, sink: TransactionalSink, membership: Callable[[], object]) -> None:
        self._sink, self._membership = sink, membership

    def begin(self, offsets: Mapping[Partition, int]) -> None:
        """Commit; whether that came true nobody is told."""
        self.finish(offsets, 0.0)

    def finish(self, offsets: Mapping[Partition, int], seconds: float) -> bool:  # noqa: ARG002  bounded by the sink's calls
        """Commit; return whether the brokers confirmed it.

        Raises:
            Fatal: they refuse it for good.
        """
        try:
            self._sink.commit(offsets, self._membership())
        except Aborted:
            return False
        return True
