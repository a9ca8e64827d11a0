"""The monitor topic, to which each replica publishes what it does, so that anyone can watch the whole group."""

import json
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from scorer.kafka.brokers.topics import Topic
from scorer.kafka.shared import PARTITION, LogRecord, SharedLog
from scorer.settings import KafkaSettings

DAYS = 16  # the retention: totals by the hour of the week need two weeks
MOST_BYTES = 1_000_000  # larger records are ignored
_POLICIES = {"compact", "delete"}


@runtime_checkable
class MonitorListener(Protocol):
    """Receives every record of the monitor topic, in order."""

    def began(self) -> None:
        """Forget all records: the topic is read from its first one."""

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """Receive a record of this model.

        Args:
            kind: its subject, such as `counts` or `status`; ignore unknown kinds.
            name: its name within the kind.
            document: the parsed JSON; None if the record deletes the earlier one of this name.
            seconds: its time, Unix seconds.
        """


def monitor_topic(name: str) -> Topic:
    """Return the monitor topic to create.

    Names are reused after a while, so compaction bounds the topic; retention deletes names that are no longer used.
    """
    config = {"cleanup.policy": "compact,delete", "retention.ms": str(DAYS * 86_400_000), "segment.ms": "600000"}
    return Topic(name, 1, config=config)


def monitor_concerns(topic: Topic) -> list[str]:
    """Return warnings about how a monitor topic could grow without bound, or forget."""
    concerns = []
    policy = topic.config.get("cleanup.policy", "compact,delete")
    if {each.strip() for each in policy.split(",")} != _POLICIES:
        grows = "compact" not in policy
        what = "keeps every record of every second" if grows else "keeps the records of replicas that are long gone"
        concerns.append(f"{topic.name}: cleanup.policy={policy} {what}; set cleanup.policy=compact,delete")
    retention = int(topic.config.get("retention.ms", -1))
    if 0 <= retention < (wanted := DAYS * 86_400_000):
        what = f"{topic.name}: retention.ms={retention} forgets totals by the hour of the week before there are enough"
        concerns.append(f"{what}; set retention.ms={wanted}")
    if topic.partitions != 1:
        concerns.append(f"{topic.name} has {topic.partitions} partitions; only partition {PARTITION} is used")
    return concerns


class MonitorTopic:
    """Reads and writes the monitor topic. Keys are MODEL/KIND/NAME, values are JSON.

    Args:
        kafka: the brokers, and how to log in.
        topic: the topic.
        model: the model's name; several models may share a topic.
        listeners: receive every record of the model.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, model: str, listeners: Sequence[MonitorListener] = ()) -> None:
        self._stem, self._listeners = f"{model}/".encode(), listeners
        self._shared = SharedLog(kafka, topic, "monitor.topic", self._begin, self._hear)

    @property
    def location(self) -> str:
        """The topic."""
        return f"topic {self._shared.topic}"

    def read(self) -> None:
        """Read every record that is in the topic at the time of this call.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: there is no such topic, or the user may not read it.
        """
        self._shared.read()

    def wait(self, seconds: float) -> None:
        """Read the records that arrive within some seconds, and return as soon as there are any.

        Raises:
            Unavailable: the brokers do not let this client in.
            Fatal: the topic can no longer be read.
        """
        self._shared.wait(seconds)

    def tell(self, name: str, document: object) -> None:
        """Write a record without waiting; it may be lost.

        Args:
            name: KIND/NAME; the record replaces the earlier one of the same name.
            document: a value that json can serialise; None deletes the earlier record.

        Raises:
            Unavailable: the brokers cannot be reached.
            Fatal: they refused an earlier record.
        """
        value = None if document is None else json.dumps(document, separators=(",", ":")).encode()
        self._shared.tell(self._stem + name.encode(), value)

    def close(self) -> None:
        """Close the clients, after a moment for records that are still queued."""
        self._shared.close()

    def _begin(self) -> None:
        for listener in self._listeners:
            listener.began()

    def _hear(self, record: LogRecord) -> None:
        if not record.key.startswith(self._stem) or len(record.value or b"") > MOST_BYTES:
            return
        try:
            kind, _, name = record.key.removeprefix(self._stem).decode().partition("/")
            document = None if record.value is None else json.loads(record.value)
        except (ValueError, RecursionError):  # written by another program, or another version of this one
            return
        for listener in self._listeners:
            listener.heard(kind, name, document, record.seconds)
