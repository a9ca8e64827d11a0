"""The record published for an event that cannot be scored: the event unchanged, and why."""

from datetime import UTC, datetime
from typing import NotRequired, TypedDict, cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from scorer.batch import Records, Rejected

PREFIX = "scorer."


class Write(TypedDict):
    """What a producer is to write."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: NotRequired[list[tuple[str, str | bytes | None]]]
    timestamp: NotRequired[int]  # milliseconds since the epoch


class DeadLetters:
    """Makes dead letters of one model's replica.

    Args:
        topic: where they go.
        model: the model's name.
        version: the bundle's version.
    """

    def __init__(self, topic: str, model: str, version: str) -> None:
        self._topic = topic
        self._model, self._version = model.encode(), version.encode()

    def write(self, records: Records, rejected: Rejected) -> Write:
        """Return what is to be written for a row: value, key, timestamp and headers of the event, then ours.

        Args:
            records: the batch, with what the consumer was given in `originals`.
            rejected: the row, and why it cannot be scored.
        """
        row = rejected.row
        event = cast("Message", records.originals[row])
        ours = {
            "reason": rejected.reason.encode(),
            "detail": rejected.detail.encode(errors="replace"),
            "topic": records.topics[records.topic[row]].encode(),
            "partition": b"%d" % records.partition[row],
            "offset": b"%d" % records.offset[row],
            "model": self._model,
            "version": self._version,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").encode(),
        }
        letter = Write(
            topic=self._topic,
            value=event.value(),
            key=event.key(),
            headers=[*(event.headers() or ()), *((PREFIX + name, value) for name, value in ours.items())],
        )
        kind, milliseconds = event.timestamp()
        if kind != TIMESTAMP_NOT_AVAILABLE:
            letter["timestamp"] = milliseconds
        return letter
