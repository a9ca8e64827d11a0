"""Producing events to an input topic, with every delivery report counted."""

from confluent_kafka import KafkaError, Message, Producer

from scorer.errors import Fatal
from scorer.kafka.client import LARGEST_MESSAGE, LastError, properties
from scorer.kafka.connect import connect, no_answer
from scorer.settings import KafkaSettings

PATIENCE_SECONDS = 30.0  # if the brokers do not answer for this long, an event counts as not written


class Feed:
    """A producer of events for one topic; `acknowledged` counts the acknowledged ones.

    Args:
        kafka: the brokers, and how to log in.
        topic: the topic to write to.
    """

    def __init__(self, kafka: KafkaSettings, topic: str) -> None:
        self._servers, self._topic = kafka.bootstrap_servers, topic
        self._reason = LastError(kafka=kafka)
        self._refusal: KafkaError | None = None
        self.acknowledged = 0
        chosen = {
            "log_level": 0,
            "linger.ms": 10,
            "compression.type": "lz4",
            "message.timeout.ms": int(PATIENCE_SECONDS * 1000),
            **properties(kafka, "producer"),
            "message.max.bytes": LARGEST_MESSAGE,
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "error_cb": self._reason,
        }
        self._producer = connect(Producer, chosen)

    def write(self, value: bytes, key: bytes | None) -> None:
        """Queue an event; wait while the queue is full.

        Raises:
            Fatal: the brokers refused this event or an earlier one.
            Unavailable: the brokers have not answered for PATIENCE_SECONDS.
        """
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self._producer.poll(0)
        self._check()

    def finish(self) -> None:
        """Wait until every queued event is acknowledged.

        Raises:
            Fatal: the brokers refused an event.
            Unavailable: the brokers have not answered for PATIENCE_SECONDS.
        """
        while self._producer.flush(0.2):
            self._check()
        self._check()

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.acknowledged += 1
        else:
            self._refusal = self._refusal or error

    def _check(self) -> None:
        error = self._refusal
        if error is None:
            return
        self._producer.purge()
        if error.code() == KafkaError._MSG_TIMED_OUT:  # noqa: SLF001  librdkafka's own codes are so named
            raise no_answer(self._servers, self._reason.text)
        raise Fatal(f"topic {self._topic} refused an event: {error.str()}")
