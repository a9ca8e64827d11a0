"""Dead letters as stored in their topic, written without the code under test."""

from typing import Any

from confluent_kafka import Producer

from scorer.batch import Reason
from scorer.kafka.dead_letters.read import open_letter
from scorer.kafka.headers import Headers
from scorer.kafka.operate.reader import Record


def letter_headers(
    topic: str, offset: int = 0, reason: str = "truncated", partition: int = 0, own: Headers = ()
) -> Headers:
    """Return the headers of a dead letter, after those of its event."""
    said = {
        "reason": reason,
        "detail": f"why {offset} is {reason}",
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "model": "fraud",
        "version": "3",
        "time": "2026-03-01T09:12:44.201+00:00",
    }
    return *own, *((f"scorer.{name}", text.encode()) for name, text in said.items())


class Post:
    """Writes dead letters."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap})

    def write(self, to: str, headers: Headers, value: bytes | None = b"event", **more: Any) -> None:
        """Write a record; it is acknowledged once `done` returns."""
        self._producer.produce(to, value, headers=list(headers), **more)
        self._producer.poll(0)

    def done(self) -> None:
        """Wait until all records are written."""
        assert self._producer.flush(30) == 0


def letter(
    offset: int = 0, partition: int = 0, reason: Reason = Reason.TRUNCATED, topic: str = "in", source: int = 0
) -> Any:
    """Return a letter at an offset of the dead-letter topic, of an event in the partition `source`."""
    headers = letter_headers(topic, offset, reason, source)
    return open_letter(Record("dead", partition, offset, 0, None, b"event", headers))
