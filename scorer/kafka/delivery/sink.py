"""The producer: writes predictions and dead letters, and counts every delivery report."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from scorer.batch import Payloads, Records, Rejected
from scorer.errors import Fatal
from scorer.kafka.brokers.denials import Denials
from scorer.kafka.brokers.topics import BATCH_BYTES
from scorer.kafka.carried import Carried, Carry, nothing_carried
from scorer.kafka.client import LARGEST_MESSAGE, LastError, producer_properties
from scorer.kafka.connect import connect
from scorer.kafka.dead_letters.write import DeadLetterLimit, DeadLetters
from scorer.kafka.delivery.checkpoint import InFlight
from scorer.kafka.delivery.published import Published, Report
from scorer.kafka.delivery.refusals import SIZE_ERRORS, Refusals
from scorer.kafka.delivery.refused_writes import RefusedWrites
from scorer.kafka.delivery.topic_limits import TopicLimits
from scorer.kafka.renewal import Login
from scorer.kafka.writes import Write
from scorer.settings import KafkaSettings

SERVE_SECONDS = 0.05
REQUEST_OVERHEAD = 4_096  # bytes of a request, without its record
SMALLEST_LIMIT = 1_000  # the lowest `message.max.bytes` that librdkafka accepts
QUIET_SECONDS = 5.0  # the wait for outstanding reports before refused writes are retried
ANY_PARTITION = -1  # the key decides; passed by position, because keyword arguments make `produce` twice as slow
NO_ALIAS_NOW = None, 0  # before the headers: the alias of the callback, and the timestamp, which is now


class Sink:
    """Writes the predictions and dead letters of each batch.

    Args:
        kafka: topics and properties.
        dead_letters: makes the dead letters.
        condition: called with the reason why the brokers are unavailable.
        limit: counts predictions that become dead letters because their topic refuses them.
        carry: returns the headers of the predictions of a batch.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        dead_letters: DeadLetters,
        condition: Callable[[str], None],
        limit: DeadLetterLimit | None = None,
        carry: Carry = nothing_carried,
    ) -> None:
        self._topic = kafka.output_topic
        self._carry = carry
        self._dead_letters = dead_letters
        self._limit = limit or DeadLetterLimit(None, 1)
        limits = TopicLimits(kafka)
        self._denials = Denials(kafka)
        self._refusals = Refusals(limits, self._denials.text)
        self._properties = self._client_properties(kafka) | {"error_cb": LastError(condition, kafka)}
        self._properties |= _sizes(kafka, limits, self._properties.get("batch.size"))
        self._producer, self._login = connect(Producer, self._properties), Login(kafka)
        self._refused: list[tuple[Published, int | Message, KafkaError]] = []  # each with its row, or its prediction

    def publish(self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], batch: InFlight) -> None:
        """Send a prediction for each scored row and a dead letter for each rejected row, in the order of rows.

        Args:
            records: the batch.
            payloads: its encoded predictions.
            rejected: its rejected rows.
            batch: counts the acknowledgements.

        Raises:
            Fatal: the producer permanently refuses a write.
        """
        published = self._published(records, payloads, rejected, batch)
        batch.refused = partial(self._prediction_refused, published)
        try:
            self._write(published, repeat(batch.delivered), lambda row: partial(self._letter_report, published, row))
        except KafkaException as error:
            raise Fatal(f"the client refused a write: {self._denials.text(error.args[0])}") from error

    def serve(self, seconds: float = 0.0) -> None:
        """Take delivery reports, and wait at most some seconds for one; then retry refused writes.

        Raises:
            Fatal: the brokers refused a write.
        """
        self._login.renew(self._producer)
        self._producer.poll(seconds)
        if self._refused and self._producer.flush(QUIET_SECONDS) == 0:
            refused, self._refused = self._refused, []
            rows = [(published, _row(published, at), error) for published, at, error in refused]
            RefusedWrites(self._producer, self._refusals, self._limit).settle(rows)

    def poll(self, seconds: float) -> None:
        """Take delivery reports without retrying refused writes, for which there is no time at a stop."""
        self._producer.poll(seconds)

    def close(self) -> None:
        """Drop unacknowledged writes, so that the replica stops without waiting for unavailable brokers."""
        self._producer.purge()
        self._producer.flush(1)

    @staticmethod
    def _client_properties(kafka: KafkaSettings) -> dict[str, object]:
        return producer_properties(kafka)

    def _published(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], batch: InFlight
    ) -> Published:
        carried = self._carry(records)
        return Published(self._topic, self._dead_letters, records, payloads, rejected, batch, carried)

    def _write(
        self, published: Published, reports: Iterable[Report | None], of_row: Callable[[int], Report | None]
    ) -> None:
        if published.carried is None:
            self._write_plain(published, reports, of_row)
        else:
            self._write_carrying(published, published.carried, reports, of_row)
        for row in published.letters:
            reported = of_row(row)
            try:
                self._write_later(published.write(row), reported)
            except KafkaException as refused:
                pass_on(reported, refused)

    def _write_plain(
        self, published: Published, reports: Iterable[Report | None], of_row: Callable[[int], Report | None]
    ) -> None:
        payloads, keys = published.payloads, published.records.keys
        produce, topic, data = self._producer.produce, self._topic, payloads.data
        start = 0
        for row, end, on_delivery in zip(payloads.rows.tolist(), payloads.ends.tolist(), reports, strict=False):
            try:
                produce(topic, data[start:end], keys[row], ANY_PARTITION, on_delivery)
            except BufferError:
                self._write_later(Write(topic=topic, value=data[start:end], key=keys[row]), on_delivery)
            except KafkaException as refused:
                pass_on(of_row(row), refused)
            start = end

    def _write_carrying(
        self,
        published: Published,
        carried: Carried,
        reports: Iterable[Report | None],
        of_row: Callable[[int], Report | None],
    ) -> None:
        """Write predictions as `_write_plain` does, with headers."""
        payloads, keys = published.payloads, published.records.keys
        produce, topic, data = self._producer.produce, self._topic, payloads.data
        start = 0
        for row, end, on_delivery in zip(payloads.rows.tolist(), payloads.ends.tolist(), reports, strict=False):
            try:
                produce(topic, data[start:end], keys[row], ANY_PARTITION, on_delivery, *NO_ALIAS_NOW, [*carried[row]])
            except BufferError:
                headers = list(carried[row])
                self._write_later(
                    Write(topic=topic, value=data[start:end], key=keys[row], headers=headers), on_delivery
                )
            except KafkaException as refused:
                pass_on(of_row(row), refused)
            start = end

    def _write_later(self, write: Write, on_delivery: Report | None) -> None:
        """Write, and wait while the client's queue is full."""
        while True:
            try:
                return self._producer.produce(**write, on_delivery=on_delivery)
            except BufferError:
                self._producer.poll(SERVE_SECONDS)

    def _prediction_refused(self, published: Published, error: KafkaError, message: Message) -> None:
        self._refused.append((published, message, error))

    def _letter_report(self, published: Published, row: int, error: KafkaError | None, message: Message | None) -> None:
        if error is None:
            published.batch.delivered(None, message)
        else:
            self._refused.append((published, row, error))


def pass_on(report: Report | None, refused: KafkaException) -> None:
    """Report a write that the client itself refused as if the brokers had; raise the error if there is no callback."""
    if report is None or refused.args[0].code() not in SIZE_ERRORS:
        raise refused
    report(refused.args[0], None)


def _row(published: Published, at: int | Message) -> int:
    return at if isinstance(at, int) else published.row_of(at.value() or b"")


def _sizes(kafka: KafkaSettings, limits: TopicLimits, chosen: object) -> dict[str, object]:
    """Return the producer's size limits, so that only a single record can exceed the limit of its topic."""
    asked = [limits.message_bytes(topic) for topic in (kafka.output_topic, kafka.dead_letter_topic)]
    known = [limit for limit in asked if limit is not None]
    together = min([int(str(chosen or BATCH_BYTES)), *known])
    alone = min(LARGEST_MESSAGE, limits.request_bytes(known) - REQUEST_OVERHEAD)
    return {"batch.size": max(1, together), "message.max.bytes": max(SMALLEST_LIMIT, alone)}
