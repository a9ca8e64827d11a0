"""Keeps a roll-out state in a topic, whose order of changes is the same for the whole group."""

from scorer.kafka.brokers.topics import Topic
from scorer.kafka.shared import PARTITION, LogRecord, SharedLog
from scorer.rollout import Change, Conflict, Held, Listener, Log
from scorer.settings import KafkaSettings


def control_topic(name: str) -> Topic:
    """Return the control topic to create. Each change has a key of its own, so compaction deletes none of them.

    The records that replicas write for each other are replaced every second. They are compacted every hour, since each
    reader starts at the first record.
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

    It joins no group and commits nothing: each reader starts at the first record.

    Args:
        kafka: the brokers, how to log in, and the topic.
        model: the model's name; several models may share a topic.
    """

    def __init__(self, kafka: KafkaSettings, model: str) -> None:
        assert kafka.control_topic is not None  # noqa: S101  the caller's condition
        self._log, self._listener = Log(model), None  # type: tuple[Log, Listener | None]
        self._shared = SharedLog(kafka, kafka.control_topic, "kafka.control_topic", self._begin, self._read)

    @property
    def location(self) -> str:
        """The topic."""
        return f"topic {self._shared.topic}"

    def read(self) -> Held:
        """Return the state after every change that is in the topic at the time of this call.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: there is no such topic, or the user may not read it.
        """
        self._shared.read()
        return self._log.held

    def wait(self, seconds: float) -> Held:
        """Return the state after at most some seconds, or as soon as there are records.

        Raises:
            Unavailable: the brokers do not let this client in.
            Fatal: the topic can no longer be read.
        """
        self._shared.wait(seconds)
        return self._log.held

    def write(self, change: Change, read: Held) -> None:
        """Append a change, and read whether it counts.

        Raises:
            Conflict: another change came first.
            Unavailable: the brokers do not answer; the change may still have been written.
            Fatal: the brokers refuse it.
        """
        del read  # the change itself names the one that it follows
        self._shared.append(f"{self._log.model}/{change.id}".encode(), self._log.record(change))
        held = self.read()
        if change.id not in {each.id for each in held.history}:
            raise Conflict(self.location, held)

    def listen(self, listener: Listener) -> None:
        """Pass every record to a listener, in the order of the log; call this before the first read."""
        self._listener = listener

    def tell(self, name: str, value: bytes | None) -> None:
        """Write a record other than a change, for the listeners of all replicas; it may be lost.

        Args:
            name: the record replaces the earlier one of this name.
            value: None deletes the earlier record.

        Raises:
            Unavailable: the brokers cannot be reached.
            Fatal: they refused an earlier record.
        """
        self._shared.tell(self._told + name.encode(), value)

    def close(self) -> None:
        """Close the clients, after a moment for records that are still queued."""
        self._shared.close()

    @property
    def _told(self) -> bytes:
        """The prefix of the keys of all records other than changes; a key of a change has an id there."""
        return f"{self._log.model}/sums/".encode()

    def _begin(self) -> None:
        """Forget all records: the topic is read from its first one."""
        self._log = Log(self._log.model)
        if self._listener:
            self._listener.changed(self._log.held)

    def _read(self, record: LogRecord) -> None:
        told = record.key.startswith(self._told)
        if not told and self._log.read(record.value):
            if self._listener:
                self._listener.changed(self._log.held)
        elif told and self._listener:
            self._listener.heard(record.value, record.seconds)
