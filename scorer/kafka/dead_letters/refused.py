"""Replayed events that their input topic refuses: which they are, and what to change."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError

from scorer.kafka.brokers.topics import AFTER, ANY_TIME, BEFORE, DIFFERENCE, Topic
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.delivery.refusals import ENVELOPE_BYTES, RECORD_ERRORS, SIZE_ERRORS
from scorer.kafka.writes import Write, bytes_of


class Refusals:
    """The events that were refused in one replay.

    Each refused event costs a transaction and half a second. So an event is not tried if it must fail like an earlier
    one of its topic: because it is as large, has a timestamp as far off, or has no key either.

    Args:
        inputs: the input topics, by name.
        compressed: whether the producer compresses, so that a larger event may be smaller when it is sent.
    """

    def __init__(self, inputs: Mapping[str, Topic], *, compressed: bool) -> None:
        self._inputs, self._compressed = inputs, compressed
        self._kinds: dict[tuple[str, int], _Kind] = {}

    def __bool__(self) -> bool:
        """Whether an event was refused."""
        return bool(self._kinds)

    def known(self, event: Write) -> KafkaError | None:
        """Return the error with which an event will be refused; None if it may be accepted."""
        kinds = (kind for (topic, _), kind in self._kinds.items() if topic == event["topic"])
        return next((kind.error for kind in kinds if self._fails(event, kind)), None)

    def add(self, letter: Letter, event: Write, error: KafkaError) -> None:
        """Note that the event of a letter was refused."""
        kind = self._kinds.setdefault((event["topic"], error.code()), _Kind(error, event))
        kind.places.append(letter.place)
        kind.largest = max(kind.largest, bytes_of(event))
        if not self._fails(event, kind):
            kind.least = event

    def texts(self) -> Iterator[str]:
        """Yield which events each topic refused, why, and what to change."""
        for (topic, _), kind in self._kinds.items():
            letters = f"{len(kind.places):,} events of dead letters {', '.join(kind.places)}"
            yield f"{letters}: topic {topic} refused them ({kind.error.str()}); {self._advice(topic, kind)}"

    def _fails(self, event: Write, kind: "_Kind") -> bool:
        """Whether an event must fail like the events of this kind."""
        code, refused = kind.error.code(), kind.least
        if code in SIZE_ERRORS:
            return not self._compressed and bytes_of(event) >= bytes_of(refused)
        if code == KafkaError.INVALID_TIMESTAMP and "timestamp" in event and "timestamp" in refused:
            past = refused["timestamp"] < time.time() * 1000
            older = event["timestamp"] <= refused["timestamp"]
            return older if past else not older or event["timestamp"] == refused["timestamp"]
        return event["key"] is None and refused["key"] is None and self._is_compacted(event["topic"])

    def _is_compacted(self, topic: str) -> bool:
        return "compact" in self._inputs[topic].config.get("cleanup.policy", "")

    def _advice(self, topic: str, kind: "_Kind") -> str:
        config, code = self._inputs[topic].config, kind.error.code()
        if code in SIZE_ERRORS:
            limit = config.get("max.message.bytes", "too small")
            return f"its max.message.bytes is {limit}: set that to {kind.largest + ENVELOPE_BYTES} or more"
        if code == KafkaError.INVALID_TIMESTAMP:
            names = [name for name in (AFTER, BEFORE, DIFFERENCE) if name in config] or [AFTER, BEFORE]
            return f"set its {' and '.join(names)} to {ANY_TIME}"
        if kind.least["key"] is None and self._is_compacted(topic):
            return "a compacted topic accepts no event without a key: set its cleanup.policy to delete"
        return "the brokers' log says which check the events failed"


@dataclass(slots=True)
class _Kind:
    """Events that a topic refused with the same error code.

    error:   the first error.
    least:   the refused event closest to the limit: any event that exceeds it is refused, too.
    places:  the positions of the dead letters.
    largest: the bytes of the largest event.
    """

    error: KafkaError
    least: Write
    places: list[str] = field(default_factory=list)
    largest: int = 0


def concerns_event(error: KafkaError) -> bool:
    """Whether a topic refused an event because of its content, and may accept others."""
    return error.code() in RECORD_ERRORS
