"""Exactly-once delivery: finds the write that the brokers refused when a whole transaction failed."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

from confluent_kafka import KafkaError, KafkaException, Producer

from scorer.batch import Rejected
from scorer.kafka.dead_letters.write import DeadLetterLimit
from scorer.kafka.delivery.published import Published, Report
from scorer.kafka.delivery.refusals import RECORD_ERRORS, SIZE_ERRORS, Refusals
from scorer.kafka.delivery.refused_writes import replace_refused
from scorer.kafka.delivery.reports import Reports
from scorer.kafka.writes import bytes_of

POLL_SECONDS = 0.05
# One record for each request, and one request at a time: the record in a refused request is then the faulty one.
ONE_BY_ONE: dict[str, object] = {"batch.num.messages": 1, "max.in.flight": 1}
Refused = tuple[int, KafkaError]


class TransactionReports(Reports):
    """The delivery reports of one transaction, by row; requested only after a failed attempt, since they cost time."""

    def __init__(self, *, wanted: bool) -> None:
        super().__init__()
        self._wanted = wanted

    def callbacks(self, published: Published) -> tuple[Iterable[Report | None], Callable[[int], Report | None]]:
        """Return the delivery callback of each prediction, and a function that returns that of a row."""
        if not self._wanted:
            return repeat(None), lambda _: None
        self.expected = len(published.rows)
        return map(self.of, published.payloads.rows.tolist()), self.of

    def wait(self, producer: Producer, seconds: float) -> bool:
        """Wait for all reports, or for one that failed; return whether all writes were acknowledged.

        Raises:
            KafkaException: a record was refused. This is raised here since the transaction does not fail if the client
                itself refused the write. For any other failure the transaction knows the cause; the report does not.
        """
        deadline = time.monotonic() + seconds
        while not self.settled and not self.failed:
            if time.monotonic() > deadline:
                return False
            producer.poll(POLL_SECONDS)
        if refused := [error for _, error in self.failed if error.code() in RECORD_ERRORS]:
            raise KafkaException(refused[0])
        return not self.failed

    def require_no_failure(self) -> None:
        """Raise the error of a failed write, unless the transaction itself has reported it."""
        if self.failed:
            raise KafkaException(self.failed[0][1])

    def refused(self) -> list[Refused]:
        """Return the rows in refused requests, ascending; one row of each request is faulty."""
        rows = [(row, error) for row, error in self.failed if error.code() in RECORD_ERRORS]
        return sorted(rows, key=lambda each: each[0])


class FaultFinder:
    """The faulty records of the current batch, found over all attempts to write it.

    Args:
        refusals: decides what to do about a record that is refused by itself.
        limit: counts predictions that become dead letters.
        compressed: whether the producer compresses: a larger write may then be smaller when it is sent.
    """

    def __init__(self, refusals: Refusals, limit: DeadLetterLimit, *, compressed: bool) -> None:
        self._refusals, self._limit, self._compressed = refusals, limit, compressed
        self._needs_reports = False
        self._unwritable: dict[tuple[int, int, int], Rejected] = {}
        self._cut: set[tuple[int, int, int]] = set()
        self.properties: dict[str, object] = {}  # extra properties of the producer

    def recall(self, published: Published) -> None:
        """Apply the earlier findings to a batch that is retried."""
        if self._needs_reports:
            published.carried = None
        for row in published.rows if self._unwritable or self._cut else ():
            place = published.place(row)
            if (known := self._unwritable.get(place)) is not None and not published.is_letter(row):
                published.reject(Rejected(row, known.reason, known.detail))
            if place in self._cut:
                published.cut(row)

    def forget(self) -> None:
        """Drop all findings, because the batch is written."""
        self._needs_reports, self.properties = False, {}
        self._unwritable.clear()
        self._cut.clear()

    def reports(self) -> TransactionReports:
        """Return the reports of the next transaction."""
        return TransactionReports(wanted=self._needs_reports)

    def concerns(self, error: KafkaError, refused: Sequence[Refused]) -> bool:
        """Whether a transaction failed because one of its records was refused.

        The client does not report a refusal that arrives while the offsets are sent. So the next attempt requests
        delivery reports.
        """
        known = self._needs_reports
        self._needs_reports = True
        return bool(refused) or (error.code() in RECORD_ERRORS and not known)

    def find(
        self,
        published: Published,
        refused: Sequence[Refused],
        probe: Callable[[Published, Sequence[int]], Refused | None],
    ) -> None:
        """Find and replace the faulty writes, for the next attempt.

        Args:
            published: the batch.
            refused: the rows of refused requests.
            probe: writes rows one by one without committing them, and returns the first refused one.

        Raises:
            Fatal: a faulty write cannot be replaced.
        """
        if not refused:
            return
        faulty = refused[0] if len(refused) == 1 else probe(published, [row for row, _ in refused])
        if faulty is None:
            self.properties = ONE_BY_ONE
            return
        row, error = faulty
        alike = [row, *self._alike(published, row, error)]
        for each in alike:
            replace_refused(published, each, error, self._refusals, self._limit)
            self._remember(published, each)

    def _alike(self, published: Published, faulty: int, error: KafkaError) -> list[int]:
        """Return the other predictions that will be refused for the same reason: as large, or without a key."""
        if published.is_letter(faulty):
            return []
        keys, least = published.records.keys, bytes_of(published.write(faulty))
        others = [row for row in published.rows if row != faulty and not published.is_letter(row)]
        if error.code() not in SIZE_ERRORS:
            return [row for row in others if keys[row] is None]
        return [] if self._compressed else [row for row in others if bytes_of(published.write(row)) >= least]

    def _remember(self, published: Published, row: int) -> None:
        if published.is_cut(row):
            self._cut.add(published.place(row))
        else:
            self._unwritable[published.place(row)] = published.batch.unwritable[-1]
