"""The home of a roll-out state in a topic: one order of changes for the whole group."""

import time
from typing import cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from scorer.errors import Fatal
from scorer.kafka.brokers.topics import Topic
from scorer.kafka.client import LastError, producer_properties, reader_properties, settled
from scorer.kafka.connect import connect, no_answer
from scorer.rollout import Change, Conflict, Held, Listener, Log
from scorer.settings import KafkaSettings

PARTITION = 0  # the only one: a topic has an order within a partition alone
READ_SECONDS = 30.0  # for all records up to the end, from brokers that may be starting
WRITE_SECONDS = 15.0
CLOSE_SECONDS = 1.0  # for what was told before
_STEP, _POLL_SECONDS = 1_000, 0.2


def control_topic(name: str) -> Topic:
    """Return the control topic to create. Each change has a key of its own, so compaction deletes none of them.

    What replicas tell each other is replaced every second. It is compacted every hour, since readers begin at the first
    record.
    """
    return Topic(name, 1, config={"cleanup.policy": "compact", "segment.ms": "3600000"})


def control_concerns(topic: Topic) -> list[str]:
    """Return warnings about how a control topic could lose changes."""
    concerns = []
    if (policy := topic.config.get("cleanup.policy", "compact")) != "compact":
        what = f"{topic.name}: cleanup.policy={policy} deletes old changes, and with them the roll-out state"
        concerns.append(f"{what}; set cleanup.policy=compact")
    if topic.partitions != 1:
        concerns.append(f"{topic.name} has {topic.partitions} partitions; only partition {PARTITION} is used")
    return concerns


class ControlTopic:
    """Keeps the state of a model as the changes in a topic.

    It joins no group and commits nothing: each reader reads from the first record on.

    Args:
        kafka: the brokers, how to log in, and the topic.
        model: the model's name; several models may share a topic.
    """

    def __init__(self, kafka: KafkaSettings, model: str) -> None:
        assert kafka.control_topic is not None  # noqa: S101  the caller's condition
        self._kafka, self._topic, self._log = kafka, kafka.control_topic, Log(model)
        self._reason = LastError(kafka=kafka)
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._refused = ""  # why the brokers refused what was told
        self._next = 0  # the offset of the next record
        self._listener: Listener | None = None

    @property
    def location(self) -> str:
        """The topic."""
        return f"topic {self._topic}"

    def read(self) -> Held:
        """Return the state after every change that is in the topic at the time of this call.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: there is no such topic, or the user may not read it.
        """
        consumer = self._assigned()
        end, deadline = self._end(consumer), time.monotonic() + READ_SECONDS
        while self._next < end:
            if time.monotonic() >= deadline:
                raise no_answer(self._kafka.bootstrap_servers, self._reason.text)
            self._take(consumer, _POLL_SECONDS)
        return self._log.held

    def wait(self, seconds: float) -> Held:
        """Return the state after at most some seconds, or as soon as there are records.

        Raises:
            Unavailable: the brokers do not let this client in.
            Fatal: the topic can no longer be read.
        """
        self._take(self._assigned(), seconds)
        if self._reason.hopeless:  # a new client reads files that were replaced
            text = self._reason.text
            self.close()
            raise no_answer(self._kafka.bootstrap_servers, text)
        return self._log.held

    def write(self, change: Change, read: Held) -> None:
        """Append a change, and read whether it counts.

        Raises:
            Conflict: another change came first.
            Unavailable: the brokers do not answer; the change may still have been written.
            Fatal: the brokers refuse it.
        """
        del read  # the change itself names the one that it follows
        self._append(f"{self._log.model}/{change.id}".encode(), self._log.record(change))
        held = self.read()
        if change.id not in {each.id for each in held.history}:
            raise Conflict(self.location, held)

    def listen(self, listener: Listener) -> None:
        """Tell every record, in the one order of all; call it before anything is read."""
        self._listener = listener

    def tell(self, name: str, value: bytes | None) -> None:
        """Write something that is no change, for those who listen; it may be lost.

        Args:
            name: a record replaces the one before of the same name.
            value: None deletes it.

        Raises:
            Unavailable: the brokers cannot be reached.
            Fatal: they refused what was told before.
        """
        if self._producer is None:
            own = {"log_level": 0, "message.timeout.ms": int(WRITE_SECONDS * 1000)}
            self._producer = connect(Producer, producer_properties(self._kafka) | own)
        self._producer.produce(self._topic, value, self._told + name.encode(), PARTITION, on_delivery=self._delivered)
        self._producer.poll(0)
        if self._refused:
            raise Fatal(f"topic {self._topic} refused what was told: {self._refused}")

    def close(self) -> None:
        """Close the clients, after a moment for what was told."""
        if self._producer is not None:
            self._producer.flush(CLOSE_SECONDS)
            self._producer, self._refused = None, ""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
            self._reason = LastError(kafka=self._kafka)

    @property
    def _told(self) -> bytes:
        """How the keys of what is no change begin; keys of changes end with hexadecimal digits."""
        return f"{self._log.model}/sums/".encode()

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._refused = error.str()

    def _assigned(self) -> Consumer:
        if self._consumer is None:
            own = {"fetch.wait.max.ms": 100, "error_cb": self._reason}
            self._consumer = connect(Consumer, reader_properties(self._kafka) | own)
            self._begin()
            self._consumer.assign([TopicPartition(self._topic, PARTITION, OFFSET_BEGINNING)])
        return self._consumer

    def _end(self, consumer: Consumer) -> int:
        try:
            described = consumer.list_topics(self._topic, timeout=READ_SECONDS).topics[self._topic]
            if described.error is not None:
                what = f"cannot read topic {self._topic}: {described.error.str()}"
                raise Fatal(f"{what}; `scorer topics --create` creates a missing kafka.control_topic")
            place = TopicPartition(self._topic, PARTITION)
            return int(settled(lambda: consumer.get_watermark_offsets(place, timeout=READ_SECONDS), READ_SECONDS)[1])
        except KafkaException as error:
            consumer.poll(0)  # the reason comes by a callback
            raise no_answer(self._kafka.bootstrap_servers, self._reason.text or error.args[0].str()) from error

    def _take(self, consumer: Consumer, seconds: float) -> None:
        first = consumer.poll(seconds)  # `consume` would wait for more than one
        for message in [first, *consumer.consume(_STEP, 0)] if first is not None else []:
            error, offset = message.error(), cast("int", message.offset())
            if error is None:
                if offset < self._next:  # the topic was deleted and made anew
                    self._begin()
                self._read(message)
                self._next = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's own codes are so named
                self._next = max(self._next, offset)  # markers of transactions have offsets, and are no records
            elif not error.retriable():
                raise Fatal(f"cannot read topic {self._topic}: {error.str()}")

    def _begin(self) -> None:
        """Forget what was read: the first record comes next."""
        self._next, self._log = 0, Log(self._log.model)
        if self._listener:
            self._listener.changed(self._log.held)

    def _read(self, message: Message) -> None:
        told = (message.key() or b"").startswith(self._told)
        if not told and self._log.read(message.value()):
            if self._listener:
                self._listener.changed(self._log.held)
        elif told and self._listener:
            self._listener.heard(message.value(), message.timestamp()[1] / 1000)

    def _append(self, key: bytes, value: bytes) -> None:
        reason, refused = LastError(kafka=self._kafka), list[KafkaError]()

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        own = {"log_level": 0, "message.timeout.ms": int(WRITE_SECONDS * 1000), "error_cb": reason}
        producer = connect(Producer, producer_properties(self._kafka) | own)
        producer.produce(self._topic, value, key, PARTITION, on_delivery=delivered)
        left = producer.flush(WRITE_SECONDS + 1)
        if left or (refused and refused[0].code() == KafkaError._MSG_TIMED_OUT):  # noqa: SLF001  as above
            raise no_answer(self._kafka.bootstrap_servers, reason.text)
        if refused:
            raise Fatal(f"topic {self._topic} refused the change: {refused[0].str()}")
