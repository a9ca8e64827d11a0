"""The ends of topics, for consumers of committed records and of all records."""

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

Question = TypeVar("Question")
Answer = TypeVar("Answer")
PATIENCE_SECONDS = 60.0


def ends(admin: AdminClient, topic: str, partitions: int, *, committed: bool) -> dict[int, int]:
    """The end of each partition: of what is committed, or of all that was written."""
    isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}  # type: ignore[no-untyped-call]
    answered = admin.list_offsets(asked, isolation_level=isolation)
    return {at.partition: end.result().offset for at, end in answered.items()}


def is_open(admin: AdminClient, topic: str, partitions: int) -> bool:
    """Whether a transaction that wrote to a topic has not ended: its end is marked a moment after it was answered."""
    written = ends(admin, topic, partitions, committed=False)
    stable = ends(admin, topic, partitions, committed=True)
    return any(stable[number] < end for number, end in written.items())


def wait_ended(bootstrap: str, topic: str, partitions: int) -> None:
    """Wait until no transaction is open that wrote to a topic."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while patiently(lambda written: is_open(_client(bootstrap), written, partitions), topic):
        assert time.monotonic() < deadline, f"a transaction in {topic} is still open after {PATIENCE_SECONDS} s"
        time.sleep(0.01)


def wait_led(bootstrap: str, topic: str, partitions: int) -> None:
    """Wait until each partition of a topic that was just made has a leader that knows it."""
    patiently(lambda made: ends(_client(bootstrap), made, partitions, committed=False), topic)


def _client(bootstrap: str) -> AdminClient:
    """Make one for a single question: a client believes for long what it has heard of leaders."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})


def patiently(ask: Callable[[Question], Answer], question: Question) -> Answer:
    """Ask a broker that was just started, or that has just made a topic, until it knows."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask(question)
        except (KafkaException, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
