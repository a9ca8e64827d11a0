"""The record published for an event that cannot be scored: the event unchanged, and why."""

from datetime import UTC, datetime

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from scorer.batch import Rejected

PREFIX = "scorer."

Headers = list[tuple[str, bytes | None]]


class DeadLetters:
    """Makes dead letters of one model's replica.

    Args:
        topic: where they go.
        model: the model's name.
        version: the bundle's version.
    """

    def __init__(self, topic: str, model: str, version: str) -> None:
        self.topic = topic
        self._static: Headers = [(f"{PREFIX}model", model.encode()), (f"{PREFIX}version", version.encode())]

    def write(self, event: Message, rejected: Rejected, now: datetime | None = None) -> dict[str, object]:
        """Return what the producer is to write: value, key, timestamp and headers of the event, then ours.

        Args:
            event: the record as it was delivered.
            rejected: why it cannot be scored.
            now: the time of the rejection, UTC; the present by default.
        """
        headers: Headers = [
            *(event.headers() or ()),
            (f"{PREFIX}reason", rejected.reason.encode()),
            (f"{PREFIX}detail", rejected.detail.encode(errors="replace")),
            (f"{PREFIX}topic", event.topic().encode()),
            (f"{PREFIX}partition", b"%d" % event.partition()),
            (f"{PREFIX}offset", b"%d" % event.offset()),
            *self._static,
            (f"{PREFIX}time", (now or datetime.now(UTC)).isoformat(timespec="milliseconds").encode()),
        ]
        letter: dict[str, object] = {
            "topic": self.topic, "value": event.value(), "key": event.key(), "headers": headers,
        }  # fmt: skip
        kind, milliseconds = event.timestamp()
        if kind != TIMESTAMP_NOT_AVAILABLE:
            letter["timestamp"] = milliseconds
        return letter
