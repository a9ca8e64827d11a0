"""At least once: what brokers refused is written again apart from the rest, until one record is found at fault."""

from collections.abc import Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from scorer.batch import Reason, Rejected
from scorer.kafka.dead_letters.write import DeadLetterLimit
from scorer.kafka.delivery.published import Published
from scorer.kafka.delivery.refusals import OF_RECORD, Refusals

POLL_SECONDS = 0.05
PIECES = 8  # into which a refused group is divided

Refused = tuple[Published, int, KafkaError]


class Apart:
    """Settles refused writes: each becomes a write that is acknowledged, or ends the replica.

    Args:
        producer: with nothing in its queue.
        refusals: judges what is refused alone.
        limit: told of predictions that become dead letters.
    """

    def __init__(self, producer: Producer, refusals: Refusals, limit: DeadLetterLimit) -> None:
        self._producer, self._refusals, self._limit = producer, refusals, limit

    def settle(self, refused: Sequence[Refused]) -> None:
        """Write again what was refused, batch by batch, in the order of rows.

        Raises:
            Fatal: the brokers refuse a write whatever is done with it.
        """
        for published, row, error in refused:
            self._require_retriable(published, row, error)
        batches: dict[int, list[Refused]] = {}
        for each in refused:
            batches.setdefault(id(each[0]), []).append(each)
        for of_batch in batches.values():
            rows = sorted(((row, error) for _, row, error in of_batch), key=lambda each: each[0])
            self._settle(rows, of_batch[0][0])

    def _settle(self, refused: Sequence[tuple[int, KafkaError]], published: Published) -> None:
        """Divide a group that was refused; deep before wide, so that the order of rows stays."""
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
            amend(published, row, error, self._refusals, self._limit)
            again = self._write(published, [row])
            if not again:
                return
            _, error = again[0]

    def _write(self, published: Published, rows: Sequence[int]) -> list[tuple[int, KafkaError]]:
        """Write some rows and wait for all reports; return what was refused."""
        reports: dict[int, KafkaError | None] = {}
        for row in rows:
            self._produce(published, row, reports)
        while len(reports) < len(rows):
            self._producer.poll(POLL_SECONDS)
        refused = []
        for row in rows:
            error = reports[row]
            if error is None:
                published.batch.delivered(None, None)
            else:
                self._require_retriable(published, row, error)
                refused.append((row, error))
        return refused

    def _produce(self, published: Published, row: int, reports: dict[int, KafkaError | None]) -> None:
        write = published.write(row)
        while True:
            try:
                return self._producer.produce(**write, on_delivery=partial(_note, reports, row))
            except BufferError:
                self._producer.poll(POLL_SECONDS)
            except KafkaException as refused:  # by the client itself
                return _note(reports, row, refused.args[0], None)

    def _require_retriable(self, published: Published, row: int, error: KafkaError) -> None:
        if error.code() not in OF_RECORD:
            raise self._refusals.fatal(error, published.write(row), published.named(row))


def amend(published: Published, row: int, error: KafkaError, refusals: Refusals, limit: DeadLetterLimit) -> None:
    """Have another write take the place of one that was refused alone: for its event's sake, so its neighbours go on.

    Raises:
        Fatal: none can: the topic refuses ordinary writes too, or there is nothing that could take its place.
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


def _note(reports: dict[int, KafkaError | None], row: int, error: KafkaError | None, _: Message | None) -> None:
    reports[row] = error
