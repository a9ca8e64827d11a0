"""Writes records that may be lost: those of shadows and of requests. It never blocks, and counts what it drops."""

from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError, Message, Producer

from scorer.batch import Payloads
from scorer.kafka.client import producer_properties
from scorer.kafka.connect import connect
from scorer.settings import KafkaSettings

PATIENCE_MS, SAFE_PATIENCE_MS = 10_000, 120_000  # a record that is not acknowledged by then is dropped
MOST_RECORDS = 20_000  # in the producer's queue; more are dropped
FLUSH_SECONDS = 1.0

Count = Callable[[str, int], None]  # receives `written` or `dropped`, and a number of records


class SpareWriter:
    """A producer for one topic, without guarantees.

    Args:
        kafka: the brokers, and how to log in.
        topic: the topic to write to.
        count: called with the result of every record.
        safely: write each record once and to all replicas of its partition, and try for longer.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, count: Count, *, safely: bool = False) -> None:
        self._topic, self._count = topic, count
        own: dict[str, object] = {"queue.buffering.max.messages": MOST_RECORDS, "message.timeout.ms": PATIENCE_MS}
        if safely:
            own |= {"message.timeout.ms": SAFE_PATIENCE_MS}
        else:
            own |= {"acks": "1", "enable.idempotence": False}
        self._producer = connect(Producer, {"log_level": 0, **producer_properties(kafka), **own})

    def write(self, payloads: Payloads, keys: Sequence[bytes | None]) -> None:
        """Queue the predictions of a batch; those for which the queue has no room are dropped.

        Args:
            payloads: the predictions.
            keys: the key of each row of the batch; empty if no row has one.
        """
        start, dropped = 0, 0
        for row, end in zip(payloads.rows.tolist(), payloads.ends.tolist(), strict=True):
            value, start = payloads.data[start:end], end
            try:
                self._producer.produce(self._topic, value, keys[row] if keys else None, on_delivery=self._delivered)
            except BufferError:
                dropped += 1
        if dropped:
            self._count("dropped", dropped)
        self._producer.poll(0)

    def poll(self) -> None:
        """Take delivery reports."""
        self._producer.poll(0)

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write what is queued within some seconds, and drop the rest."""
        self._producer.flush(seconds)
        self._producer.purge()
        self._producer.flush(FLUSH_SECONDS)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        self._count("written" if error is None else "dropped", 1)
