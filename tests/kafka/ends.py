"""The ends of topics, for read_committed and read_uncommitted consumers."""

import time
from collections.abc import Callable, Iterator
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
    """Whether a transaction that wrote to a topic is open: its end marker follows a moment after the answer."""
    written = ends(admin, topic, partitions, committed=False)
    stable = ends(admin, topic, partitions, committed=True)
    return any(stable[number] < end for number, end in written.items())


def turns(what: str) -> Iterator[None]:
    """Yield for each turn of a wait, and fail by name if what is awaited has not happened in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        yield
        assert time.monotonic() < deadline, f"{what}: not after {PATIENCE_SECONDS} s"


def wait_ended(bootstrap: str, topic: str, partitions: int) -> None:
    """Wait until every transaction that wrote to a topic has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while patiently(lambda written: is_open(_client(bootstrap), written, partitions), topic):
        assert time.monotonic() < deadline, f"a transaction in {topic} is still open after {PATIENCE_SECONDS} s"
        time.sleep(0.01)


def wait_for_leaders(bootstrap: str, topic: str, partitions: int) -> None:
    """Wait until each partition of a new topic has a leader that knows it."""
    patiently(lambda made: ends(_client(bootstrap), made, partitions, committed=False), topic)


def _client(bootstrap: str) -> AdminClient:
    """Make a client for a single request, because a client caches leaders for long."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})


def patiently(ask: Callable[[Question], Answer], question: Question) -> Answer:
    """Retry a request to a broker that just started, or that just created a topic, until it succeeds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask(question)
        except (KafkaException, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
