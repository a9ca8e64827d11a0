"""The second half of `scorer labels run`: adds up the records of each partition of the state topic, by window."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Gauge

from scorer.group.telling import MonitorRecord
from scorer.kafka.consume.whole import Read
from scorer.labels.account import KIND, Account
from scorer.labels.board import Board
from scorer.labels.figures import figures
from scorer.labels.ledger import Ledger
from scorer.labels.slim import HEAD, decode

RECORDS, WAIT_SECONDS = 10_000, 0.2
TELL_SECONDS, TELL_SHARE = 1.0, 0.1  # adding up takes at most this share of the time
AGAIN_SECONDS = 600.0  # after which all accounts are published again, since records may have been lost
FIGURE_SECONDS = 5.0

Outbox = deque[Account]


class Reader(Protocol):
    """Reads whole partitions of the state topic."""

    lost: set[int]

    @property
    def owned(self) -> frozenset[int]:
        """The owned partitions."""

    def read_to_end(self, partition: int) -> bool:
        """Whether an owned partition has been read to its end since it was assigned."""

    def take(self, records: int, seconds: float) -> list[Read]:
        """Return the records that arrive within some seconds, by partition."""


class Joiner:
    """Keeps a ledger of each owned partition. One thread calls all its methods.

    Args:
        reader: reads the partitions.
        opened: makes the ledger of a partition.
        board: the accounts that all replicas have published; another thread fills it.
        told: receives the accounts to publish; another thread takes them from its left.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        reader: Reader,
        opened: Callable[[int], Ledger],
        board: Board,
        told: Outbox,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader, self._open, self._board, self._clock = reader, opened, board, clock
        self._ledgers: dict[int, Ledger] = {}
        self._due, self._again = 0.0, clock() + AGAIN_SECONDS
        self._told = told

    @property
    def events(self) -> int:
        """The number of events in memory."""
        return sum(ledger.events for ledger in self._ledgers.values())

    def turn(self) -> None:
        """Read more records, and add up the changed windows if that is due.

        Raises:
            Fatal: the topic cannot be read.
            Unavailable: the brokers do not answer.
        """
        for read in self._reader.take(RECORDS, WAIT_SECONDS):
            self._apply(read)
        while self._reader.lost:
            lost = self._reader.lost.pop()
            if lost not in self._reader.owned:
                self._ledgers.pop(lost, None)
        now = self._clock()
        if now >= self._again or self._board.renewed:
            self._again, self._board.renewed = now + AGAIN_SECONDS, False
            for ledger in self._ledgers.values():
                ledger.all_again()
        if now >= self._due:
            self._add_up()
            took = self._clock() - now
            self._due = now + took + max(TELL_SECONDS, took / TELL_SHARE)

    def _apply(self, read: Read) -> None:
        if read.begins:
            self._ledgers[read.partition] = ledger = self._open(read.partition)
            if read.low > 0 and len(read.timestamps):
                ledger.truncated(int(read.timestamps[0]))
        known = [at for at, value in enumerate(read.values) if len(value) >= HEAD.itemsize]
        slims = decode([read.values[at] for at in known])
        self._ledgers[read.partition].take(slims, read.timestamps[known], read.upto)

    def _add_up(self) -> None:
        for partition, ledger in self._ledgers.items():
            # A reader that is still behind would replace an account of more of the log by one of less.
            if self._reader.read_to_end(partition) or ledger.upto >= self._board.upto(partition):
                self._told.extend(ledger.accounts())


class QualityMetrics:
    """The metrics of labels.

    Args:
        registry: the metrics registry of the process.
        events: returns how many events wait for labels in this process.
    """

    def __init__(self, registry: CollectorRegistry, events: Callable[[], float] = lambda: 0.0) -> None:
        # The quality of the whole group, over the windows that still wait for labels.
        self._quality = Gauge("scorer_quality", "Quality of the model", ["metric", "version", "arm"], registry=registry)
        # Events that this process has in memory.
        Gauge("scorer_label_events", "Events that wait for labels", registry=registry).set_function(events)

    def show(self, figures: Mapping[tuple[str, str, str], float]) -> None:
        """Replace all figures by these, given by measure, version and arm."""
        self._quality.clear()
        for labels, value in figures.items():
            if not math.isnan(value):
                self._quality.labels(*labels).set(value)


class Herald:
    """Publishes the accounts to the monitor topic, and sets the metrics of the group's quality.

    Args:
        told: the accounts to publish, taken from its left.
        board: the accounts that all replicas have published.
        metrics: the metrics to set.
        clock: monotonic seconds.
    """

    def __init__(
        self, told: Outbox, board: Board, metrics: QualityMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._told, self._board, self._metrics, self._clock, self._due = told, board, metrics, clock, 0.0

    def due(self, now: float) -> Iterator[MonitorRecord]:
        """Yield the new accounts, and update the metrics if that is due."""
        if self._board.changed and now >= self._due:
            self._board.changed = False
            self._show()
            self._due = now + max(FIGURE_SECONDS, (self._clock() - now) / TELL_SHARE)
        yield from self.last()

    def last(self) -> Iterator[MonitorRecord]:
        """Yield the new accounts."""
        while self._told:
            account = self._told.popleft()
            yield f"{KIND}/{account.name}", account.document()

    def began(self) -> None:
        """Forget all accounts: the log is read from its first record."""
        self._board.began()

    def heard(self, kind: str, name: str, document: Any, seconds: float) -> None:  # noqa: ANN401  JSON
        """Take a record."""
        self._board.heard(kind, name, document, seconds)

    def _show(self) -> None:
        now, found = self._board.now(), dict[tuple[str, str, str], float]()
        if now is not None:
            for key, cell in now.cells.items():
                if not key.field:
                    for name, estimate in figures(now.measure, cell).items():
                        found[name, key.version, key.arm] = estimate.value
        self._metrics.show(found)
