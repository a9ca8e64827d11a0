"""A log that every replica reads from its first record, without a consumer group: one partition of a topic."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from scorer.errors import Fatal
from scorer.kafka.client import LastError, producer_properties, reader_properties, settled
from scorer.kafka.connect import connect, no_answer
from scorer.settings import KafkaSettings

PARTITION = 0  # the only one, since only the records of one partition are in order
READ_SECONDS = 30.0  # to read up to the end, from brokers that may be starting
WRITE_SECONDS = 15.0
CLOSE_SECONDS = 1.0  # for records that are still queued
LATEST_MS = 253_370_764_800_000  # the year 9999: writers choose a record's time, and later times have no date
_STEP, _POLL_SECONDS = 1_000, 0.2


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record of the log; `seconds` is its time, Unix seconds, from 1970 to the year 9999."""

    key: bytes
    value: bytes | None
    seconds: float


class SharedLog:
    """Reads a topic from its first record, and writes records that replace earlier ones with the same key.

    It joins no group and commits nothing.

    Args:
        kafka: the brokers, and how to log in.
        topic: the topic.
        setting: the setting that names it, for errors.
        begin: called before the first record is read, and again if the topic was recreated.
        hear: called with each record, in the order of the log.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        setting: str,
        begin: Callable[[], None],
        hear: Callable[[LogRecord], None],
    ) -> None:
        self.kafka, self.topic = kafka, topic
        self._setting, self._begin, self._hear = setting, begin, hear
        self._reason = LastError(kafka=kafka)
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._refused = ""  # why the brokers refused a record
        self._next = 0  # the offset of the next record

    def read(self) -> None:
        """Read every record that is in the topic at the time of this call.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: there is no such topic, or the user may not read it.
        """
        consumer = self._assigned()
        end, deadline = self._end(consumer), time.monotonic() + READ_SECONDS
        while self._next < end:
            if time.monotonic() >= deadline:
                raise no_answer(self.kafka.bootstrap_servers, self._reason.text)
            self._take(consumer, _POLL_SECONDS)

    def wait(self, seconds: float) -> None:
        """Read the records that arrive within some seconds, and return as soon as there are any.

        Raises:
            Unavailable: the brokers do not let this client in.
            Fatal: the topic can no longer be read.
        """
        self._take(self._assigned(), seconds)
        if self._reason.hopeless:  # a new client reads files that were replaced
            text = self._reason.text
            self.close()
            raise no_answer(self.kafka.bootstrap_servers, text)

    def tell(self, key: bytes, value: bytes | None) -> None:
        """Write a record without waiting; it may be lost.

        Args:
            key: the record replaces the earlier one with this key.
            value: None deletes the earlier record.

        Raises:
            Unavailable: the brokers cannot be reached.
            Fatal: they refused an earlier record.
        """
        if self._producer is None:
            own = {"log_level": 0, "message.timeout.ms": int(WRITE_SECONDS * 1000)}
            self._producer = connect(Producer, producer_properties(self.kafka) | own)
        try:
            self._producer.produce(self.topic, value, key, PARTITION, on_delivery=self._delivered)
        except (BufferError, KafkaException) as error:  # the queue is full, or the record is too large for the client
            raise Fatal(f"cannot write to topic {self.topic}: {error}") from error
        self._producer.poll(0)
        if self._refused:
            raise Fatal(f"topic {self.topic} refused a record: {self._refused}")

    def append(self, key: bytes, value: bytes) -> None:
        """Write a record and wait until it is written.

        Raises:
            Unavailable: the brokers do not answer; the record may still have been written.
            Fatal: the brokers refuse it.
        """
        reason, refused = LastError(kafka=self.kafka), list[KafkaError]()

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        own = {"log_level": 0, "message.timeout.ms": int(WRITE_SECONDS * 1000), "error_cb": reason}
        producer = connect(Producer, producer_properties(self.kafka) | own)
        producer.produce(self.topic, value, key, PARTITION, on_delivery=delivered)
        left = producer.flush(WRITE_SECONDS + 1)
        if left or (refused and refused[0].code() == KafkaError._MSG_TIMED_OUT):  # noqa: SLF001  librdkafka's own codes are so named
            raise no_answer(self.kafka.bootstrap_servers, reason.text)
        if refused:
            raise Fatal(f"topic {self.topic} refused the change: {refused[0].str()}")

    def close(self) -> None:
        """Close the clients, after a moment for records that are still queued."""
        if self._producer is not None:
            self._producer.flush(CLOSE_SECONDS)
            self._producer, self._refused = None, ""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
            self._reason = LastError(kafka=self.kafka)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._refused = error.str()

    def _assigned(self) -> Consumer:
        if self._consumer is None:
            own = {"fetch.wait.max.ms": 100, "error_cb": self._reason}
            self._consumer = connect(Consumer, reader_properties(self.kafka) | own)
            self._start()
            self._consumer.assign([TopicPartition(self.topic, PARTITION, OFFSET_BEGINNING)])
        return self._consumer

    def _end(self, consumer: Consumer) -> int:
        try:
            described = consumer.list_topics(self.topic, timeout=READ_SECONDS).topics[self.topic]
            if described.error is not None:
                what = f"cannot read topic {self.topic}: {described.error.str()}"
                raise Fatal(f"{what}; `scorer topics --create` creates a missing {self._setting}")
            place = TopicPartition(self.topic, PARTITION)
            return int(settled(lambda: consumer.get_watermark_offsets(place, timeout=READ_SECONDS), READ_SECONDS)[1])
        except KafkaException as error:
            consumer.poll(0)  # the reason comes by a callback
            raise no_answer(self.kafka.bootstrap_servers, self._reason.text or error.args[0].str()) from error

    def _take(self, consumer: Consumer, seconds: float) -> None:
        first = consumer.poll(seconds)  # `consume` would wait for more than one
        for message in [first, *consumer.consume(_STEP, 0)] if first is not None else []:
            error, offset = message.error(), cast("int", message.offset())
            if error is None:
                if offset < self._next:  # the topic was deleted and recreated
                    self._start()
                written = min(max(message.timestamp()[1], 0), LATEST_MS)
                self._hear(LogRecord(message.key() or b"", message.value(), written / 1000))
                self._next = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes are so named
                self._next = max(self._next, offset)  # transaction markers have offsets, but are not records
            elif not error.retriable():
                raise Fatal(f"cannot read topic {self.topic}: {error.str()}")

    def _start(self) -> None:
        self._next = 0
        self._begin()
