"""At-least-once delivery: retries refused writes in ever smaller groups, until each faulty record is found."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Producer

from scorer.batch import Reason, Rejected
from scorer.kafka.dead_letters.write import DeadLetterLimit
from scorer.kafka.delivery.published import Published, Report
from scorer.kafka.delivery.refusals import RECORD_ERRORS, Refusals
from scorer.kafka.delivery.reports import Reports
from scorer.kafka.writes import Write

POLL_SECONDS = 0.05
PIECES = 8  # the number of parts into which a refused group is divided

Refused = tuple[Published, int, KafkaError]


class RefusedWrites:
    """Settles refused writes: each is replaced by a write that is acknowledged, or stops the replica.

    Args:
        producer: the producer, with an empty queue.
        refusals: decides what to do about a record that is refused by itself.
        limit: counts predictions that become dead letters.
    """

    def __init__(self, producer: Producer, refusals: Refusals, limit: DeadLetterLimit) -> None:
        self._producer, self._refusals, self._limit = producer, refusals, limit

    def settle(self, refused: Sequence[Refused]) -> None:
        """Retry refused writes, batch by batch, in the order of rows.

        Raises:
            Fatal: the brokers refuse a write, and nothing can replace it.
        """
        for published, row, error in refused:
            self._require_retriable(published, row, error)
        batches: dict[int, list[Refused]] = {}
        for each in refused:
            batches.setdefault(id(each[0]), []).append(each)
        for group in batches.values():
            rows = sorted(((row, error) for _, row, error in group), key=lambda each: each[0])
            self._settle(rows, group[0][0])

    def _settle(self, refused: Sequence[tuple[int, KafkaError]], published: Published) -> None:
        """Divide a refused group, depth first to keep the order of rows."""
        size = max(1, len(refused) // PIECES)
        for start in range(0, len(refused), size):
            rows = [row for row, _ in refused[start : start + size]]
            again = self._write(published, rows)
            if again and len(rows) == 1:
                self._settle_one(published, *again[0])
            elif again:
                self._settle(again, published)

    def _settle_one(self, published: Published, row: int, error: KafkaError) -> None:
        while True:
            replace_refused(published, row, error, self._refusals, self._limit)
            again = self._write(published, [row])
            if not again:
                return
            _, error = again[0]

    def _write(self, published: Published, rows: Sequence[int]) -> list[tuple[int, KafkaError]]:
        """Write some rows and wait for all reports; return the refused rows."""
        reports = Reports()
        for row in rows:
            reports.expected += 1
            self._produce(published.write(row), reports.of(row))
        while not reports.settled:
            self._producer.poll(POLL_SECONDS)
        for row, error in reports.failed:
            self._require_retriable(published, row, error)
        for _ in range(len(rows) - len(reports.failed)):
            published.batch.delivered(None, None)
        return sorted(reports.failed, key=lambda each: each[0])

    def _produce(self, write: Write, report: Report) -> None:
        while True:
            try:
                return self._producer.produce(**write, on_delivery=report)
            except BufferError:
                self._producer.poll(POLL_SECONDS)
            except KafkaException as refused:  # the client itself refused it
                return report(refused.args[0], None)

    def _require_retriable(self, published: Published, row: int, error: KafkaError) -> None:
        if error.code() not in RECORD_ERRORS:
            raise self._refusals.fatal(error, published.write(row), published.named(row))


def replace_refused(
    published: Published, row: int, error: KafkaError, refusals: Refusals, limit: DeadLetterLimit
) -> None:
    """Replace a write that was refused by itself: a prediction by a dead letter, a dead letter by a cut one.

    Raises:
        Fatal: the topic refuses ordinary writes too, or there is no replacement.
    """
    write, ordinary = published.write(row), published.ordinary
    if published.is_letter(row) and not published.is_cut(row) and refusals.is_to_be_cut(error, write):
        published.cut(row)
    elif not published.is_letter(row) and (fault := refusals.fault(error, write, ordinary)):
        rejected = Rejected(row, Reason.UNWRITABLE, fault)
        limit.add(rejected)
        published.reject(rejected)
    else:
        raise refusals.fatal(error, write, published.named(row))
