"""The producer: predictions and dead letters, every delivery report counted."""

import time
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from scorer.batch import Payloads, Records, Rejected
from scorer.errors import Fatal
from scorer.kafka.checkpoint import Checkpoint, InFlight
from scorer.kafka.client import LastError, producer_properties
from scorer.kafka.connect import connect
from scorer.kafka.dead_letters import DeadLetters, Write
from scorer.settings import KafkaSettings

SERVE_SECONDS = 0.05
SETTLE_SECONDS = 0.01
ANY_PARTITION = -1  # that of the key; by position, because arguments by name make `produce` twice as slow
Delivered = Callable[[KafkaError | None, Message], None]


class Sink:
    """Writes what becomes of each batch.

    Args:
        kafka: topics and properties.
        dead_letters: makes the dead letters.
        condition: told why the brokers cannot be reached.
    """

    def __init__(self, kafka: KafkaSettings, dead_letters: DeadLetters, condition: Callable[[str], None]) -> None:
        self._topic = kafka.output_topic
        self._dead_letters = dead_letters
        self._properties = self._chosen(kafka) | {"error_cb": LastError(condition)}
        self._producer = connect(Producer, self._properties)

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
        try:
            self._write(records, payloads, rejected, batch.delivered)
        except KafkaException as error:
            raise Fatal(f"the client refused a write: {error.args[0].str()}") from error

    def serve(self, seconds: float = 0.0) -> None:
        """Take the delivery reports that have come, waiting at most some seconds for one."""
        self._producer.poll(seconds)

    def drain(self, checkpoint: Checkpoint, seconds: float) -> bool:
        """Wait until every published batch is acknowledged; return whether that came within the time.

        Raises:
            Fatal: the brokers refused a write.
        """
        deadline = time.monotonic() + seconds
        while not checkpoint.idle and time.monotonic() < deadline:
            self._producer.poll(SERVE_SECONDS)
            checkpoint.settle()
        return checkpoint.idle

    def settle(self, seconds: float) -> bool:
        """Take delivery reports, waiting briefly for one; return whether no transaction of ours is left open."""
        self._producer.poll(min(seconds, SETTLE_SECONDS))
        return True

    def close(self) -> None:
        """Drop what was not acknowledged, so that leaving does not wait for brokers that are away."""
        self._producer.purge()
        self._producer.flush(1)

    @staticmethod
    def _chosen(kafka: KafkaSettings) -> dict[str, object]:
        return producer_properties(kafka)

    def _write(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_delivery: Delivered | None
    ) -> None:
        produce, topic, keys, data = self._producer.produce, self._topic, records.keys, payloads.data
        start = 0
        for row, end in zip(payloads.rows.tolist(), payloads.ends.tolist(), strict=True):
            try:
                produce(topic, data[start:end], keys[row], ANY_PARTITION, on_delivery)
            except BufferError:
                self._write_later(Write(topic=topic, value=data[start:end], key=keys[row]), on_delivery)
            start = end
        for each in rejected:
            letter = self._dead_letters.write(records, each)
            try:
                produce(**letter, on_delivery=on_delivery)
            except BufferError:
                self._write_later(letter, on_delivery)

    def _write_later(self, write: Write, on_delivery: Delivered | None) -> None:
        """Write when the client's queue, which was full, has room again."""
        while True:
            self._producer.poll(SERVE_SECONDS)
            try:
                return self._producer.produce(**write, on_delivery=on_delivery)
            except BufferError:
                continue
