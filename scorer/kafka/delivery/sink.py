"""The producer: predictions and dead letters, every delivery report counted."""

from collections.abc import Callable, Sequence
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from scorer.batch import Payloads, Records, Rejected
from scorer.errors import Fatal
from scorer.kafka.brokers.topics import BATCH_BYTES
from scorer.kafka.client import LARGEST_MESSAGE, LastError, producer_properties
from scorer.kafka.connect import connect
from scorer.kafka.dead_letters.write import DeadLetterLimit, DeadLetters
from scorer.kafka.delivery.apart import Apart
from scorer.kafka.delivery.checkpoint import InFlight
from scorer.kafka.delivery.published import Published, Report
from scorer.kafka.delivery.refusals import OF_SIZE, Refusals
from scorer.kafka.delivery.topic_limits import TopicLimits
from scorer.kafka.writes import Write
from scorer.settings import KafkaSettings

SERVE_SECONDS = 0.05
REQUEST_OVERHEAD = 4_096  # of a request, around the record that it carries
SMALLEST_LIMIT = 1_000  # that librdkafka takes for `message.max.bytes`
QUIET_SECONDS = 5.0  # for what is on its way to be reported, before what was refused is written again
ANY_PARTITION = -1  # that of the key; by position, because arguments by name make `produce` twice as slow


class Sink:
    """Writes what becomes of each batch.

    Args:
        kafka: topics and properties.
        dead_letters: makes the dead letters.
        condition: told why the brokers cannot be reached.
        limit: told of predictions that become dead letters because their topic refuses them.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        dead_letters: DeadLetters,
        condition: Callable[[str], None],
        limit: DeadLetterLimit | None = None,
    ) -> None:
        self._topic = kafka.output_topic
        self._dead_letters = dead_letters
        self._limit = limit or DeadLetterLimit(None, 1)
        limits = TopicLimits(kafka)
        self._refusals = Refusals(limits)
        self._properties = self._chosen(kafka) | {"error_cb": LastError(condition)}
        self._properties |= _sizes(kafka, limits, self._properties.get("batch.size"))
        self._producer = connect(Producer, self._properties)
        self._refused: list[tuple[Published, int | Message, KafkaError]] = []  # a row, or its prediction

    def publish(self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], batch: InFlight) -> None:
        """Hand over a prediction for each scored row and a dead letter for each rejected one, in the order of rows.

        Args:
            records: the batch.
            payloads: its encoded predictions.
            rejected: its rejected rows.
            batch: counts the acknowledgements.

        Raises:
            Fatal: the producer cannot take a write, whatever the time.
        """
        published = self._published(records, payloads, rejected, batch)
        batch.refused = partial(self._note_prediction, published)
        try:
            self._write(published, batch.delivered, lambda row: partial(self._report, published, row))
        except KafkaException as error:
            raise Fatal(f"the client refused a write: {error.args[0].str()}") from error

    def serve(self, seconds: float = 0.0) -> None:
        """Take the delivery reports that have come, waiting at most some seconds for one.

        Raises:
            Fatal: the brokers refused a write.
        """
        self._producer.poll(seconds)
        if self._refused and self._producer.flush(QUIET_SECONDS) == 0:
            refused, self._refused = self._refused, []
            rows = [(published, _row(published, at), error) for published, at, error in refused]
            Apart(self._producer, self._refusals, self._limit).settle(rows)

    def poll(self, seconds: float) -> None:
        """Take delivery reports, and leave what was refused: there is no time to write it again."""
        self._producer.poll(seconds)

    def close(self) -> None:
        """Drop what was not acknowledged, so that leaving does not wait for brokers that are away."""
        self._producer.purge()
        self._producer.flush(1)

    @staticmethod
    def _chosen(kafka: KafkaSettings) -> dict[str, object]:
        return producer_properties(kafka)

    def _published(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], batch: InFlight
    ) -> Published:
        return Published(self._topic, self._dead_letters, records, payloads, rejected, batch)

    def _write(self, published: Published, on_delivery: Report | None, of_row: Callable[[int], Report | None]) -> None:
        payloads, keys = published.payloads, published.records.keys
        produce, topic, data = self._producer.produce, self._topic, payloads.data
        start = 0
        for row, end in zip(payloads.rows.tolist(), payloads.ends.tolist(), strict=True):
            try:
                produce(topic, data[start:end], keys[row], ANY_PARTITION, on_delivery)
            except BufferError:
                self._write_later(Write(topic=topic, value=data[start:end], key=keys[row]), on_delivery)
            except KafkaException as refused:
                pass_on(of_row(row), refused)
            start = end
        for row in published.letters:
            reported = of_row(row)
            try:
                self._write_later(published.write(row), reported)
            except KafkaException as refused:
                pass_on(reported, refused)

    def _write_later(self, write: Write, on_delivery: Report | None) -> None:
        """Write, at the latest when the client's queue has room again."""
        while True:
            try:
                return self._producer.produce(**write, on_delivery=on_delivery)
            except BufferError:
                self._producer.poll(SERVE_SECONDS)

    def _note_prediction(self, published: Published, error: KafkaError, message: Message) -> None:
        self._refused.append((published, message, error))

    def _report(self, published: Published, row: int, error: KafkaError | None, message: Message | None) -> None:
        if error is None:
            published.batch.delivered(None, message)
        else:
            self._refused.append((published, row, error))


def pass_on(report: Report | None, refused: KafkaException) -> None:
    """Tell of a write that the client itself refused, as the brokers would have; raise it where nobody is told."""
    if report is None or refused.args[0].code() not in OF_SIZE:
        raise refused
    report(refused.args[0], None)


def _row(published: Published, at: int | Message) -> int:
    return at if isinstance(at, int) else published.row_of(at.value() or b"")


def _sizes(kafka: KafkaSettings, limits: TopicLimits, chosen: object) -> dict[str, object]:
    """Return how much is written at once: what each topic takes, so that only a record of its own can be too large."""
    asked = [limits.message_bytes(topic) for topic in (kafka.output_topic, kafka.dead_letter_topic)]
    known = [limit for limit in asked if limit is not None]
    together = min([int(str(chosen or BATCH_BYTES)), *known])
    alone = min(LARGEST_MESSAGE, limits.request_bytes(known) - REQUEST_OVERHEAD)
    return {"batch.size": max(1, together), "message.max.bytes": max(SMALLEST_LIMIT, alone)}
