"""Exactly once: finds which write of a transaction the brokers refused, since the transaction fails as a whole."""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from scorer.batch import Rejected
from scorer.kafka.dead_letters.write import DeadLetterLimit
from scorer.kafka.delivery.apart import amend
from scorer.kafka.delivery.published import Published, Report
from scorer.kafka.delivery.refusals import OF_RECORD, OF_SIZE, Refusals
from scorer.kafka.writes import bytes_of

POLL_SECONDS = 0.05
# One record a request and one request at a time: what is refused is then at fault itself.
APART: dict[str, object] = {"batch.num.messages": 1, "max.in.flight": 1}
Refused = tuple[int, KafkaError]


class Reports:
    """The delivery reports of one transaction, taken only where it is in doubt: they cost time.

    The callbacks call no method: they may be called while an error of the client is being raised.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted, self._came = wanted, 0
        self._expected = 0
        self._failed: list[tuple[KafkaError, int | Message]] = []  # a row, or its prediction

    def callbacks(self, published: Published) -> tuple[Report | None, Callable[[int], Report | None]]:
        """Return the delivery callback of the predictions, and what makes that of the dead letter of a row."""
        if not self._wanted:
            return None, lambda _: None
        self._expected = len(published.rows)
        return self._of_prediction, self.of_row

    def of_row(self, row: int) -> Report:
        """Return the delivery callback of one row."""

        def report(error: KafkaError | None, _: Message | None) -> None:
            self._came += 1
            if error is not None:
                self._failed.append((error, row))

        return report

    def wait(self, producer: Producer, seconds: float, expected: int | None = None) -> bool:
        """Wait until all reports have come; return whether that was within the time.

        Raises:
            KafkaException: of the first write that failed; what the client itself refused fails no transaction.
        """
        expected = self._expected if expected is None else expected
        deadline = time.monotonic() + seconds
        while self._came < expected and not self._failed:
            if time.monotonic() > deadline:
                return False
            producer.poll(POLL_SECONDS)
        if self._failed:
            raise KafkaException(self._failed[0][0])
        return True

    def refused(self, published: Published) -> list[Refused]:
        """Return the rows in refused requests, ascending; one of each request is at fault."""
        rows = [
            (at if isinstance(at, int) else published.row_of(at.value() or b""), error)
            for error, at in self._failed
            if error.code() in OF_RECORD
        ]
        return sorted(rows, key=lambda each: each[0])

    def _of_prediction(self, error: KafkaError | None, message: Message | None) -> None:
        self._came += 1
        if error is not None and message is not None:
            self._failed.append((error, message))


class Culprits:
    """What is known of the batch in hand, over all tries at it.

    Args:
        refusals: judges what is refused alone.
        limit: told of predictions that become dead letters.
        compressed: whether the producer compresses, so that a larger write may be smaller when it is sent.
    """

    def __init__(self, refusals: Refusals, limit: DeadLetterLimit, *, compressed: bool) -> None:
        self._refusals, self._limit, self._compressed = refusals, limit, compressed
        self._doubted = False
        self._unwritable: dict[tuple[int, int, int], Rejected] = {}
        self._cut: set[tuple[int, int, int]] = set()
        self.properties: dict[str, object] = {}  # of the producer, beside its own

    def recall(self, published: Published) -> None:
        """Apply to a batch that is tried again what was found out before."""
        for row in published.rows if self._unwritable or self._cut else ():
            place = published.place(row)
            if (known := self._unwritable.get(place)) is not None and not published.is_letter(row):
                published.reject(Rejected(row, known.reason, known.detail))
            if place in self._cut:
                published.cut(row)

    def forget(self) -> None:
        """Start anew: the batch is written."""
        self._doubted, self.properties = False, {}
        self._unwritable.clear()
        self._cut.clear()

    def reports(self) -> Reports:
        """Return the reports of the next transaction."""
        return Reports(wanted=self._doubted)

    def concerns(self, error: KafkaError, refused: Sequence[Refused]) -> bool:
        """Whether a transaction failed because a record of it was refused.

        Where the refusal comes just as the offsets are sent the client does not say so, thus the next try is in doubt.
        """
        known = self._doubted
        self._doubted = True
        return bool(refused) or (error.code() in OF_RECORD and not known)

    def find(
        self,
        published: Published,
        refused: Sequence[Refused],
        probe: Callable[[Published, Sequence[int]], Refused | None],
    ) -> None:
        """Amend what is at fault, for the next try.

        Args:
            published: the batch.
            refused: rows of refused requests.
            probe: writes rows one by one, none of which is committed, and returns the first that is refused.

        Raises:
            Fatal: nothing can be amended.
        """
        if not refused:
            return
        culprit = refused[0] if len(refused) == 1 else probe(published, [row for row, _ in refused])
        if culprit is None:
            self.properties = APART
            return
        row, error = culprit
        alike = [row, *self._alike(published, row, error)]
        for each in alike:
            amend(published, each, error, self._refusals, self._limit)
            self._remember(published, each)

    def _alike(self, published: Published, culprit: int, error: KafkaError) -> list[int]:
        """Return the other predictions that are refused for the same: as large, or without a key."""
        if published.is_letter(culprit):
            return []
        keys, least = published.records.keys, bytes_of(published.write(culprit))
        others = [row for row in published.rows if row != culprit and not published.is_letter(row)]
        if error.code() not in OF_SIZE:
            return [row for row in others if keys[row] is None]
        return [] if self._compressed else [row for row in others if bytes_of(published.write(row)) >= least]

    def _remember(self, published: Published, row: int) -> None:
        if published.is_cut(row):
            self._cut.add(published.place(row))
        else:
            self._unwritable[published.place(row)] = published.batch.unwritable[-1]
