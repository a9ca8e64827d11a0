"""Events that their input topic refuses to take back: which they are, and what to change."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Message

from scorer.kafka.brokers.topics import AFTER, ANY_TIME, BEFORE, DIFFERENCE, Topic
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.delivery.refusals import ENVELOPE_BYTES, OF_RECORD, OF_SIZE
from scorer.kafka.writes import Write, bytes_of

UNSENT = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001  librdkafka's own codes are so named


Report = Callable[[KafkaError | None, Message], None]


class Reports:
    """The delivery reports of one transaction.

    The callbacks only collect: they may be called while an error of the client is being raised.
    """

    def __init__(self) -> None:
        self.expected = self._acknowledged = 0
        self._failures: list[tuple[int, KafkaError]] = []

    @property
    def settled(self) -> bool:
        """Whether the report of every write has come: counted, since an empty queue proves nothing."""
        return self._acknowledged + len(self._failures) == self.expected

    @property
    def good(self) -> bool:
        """Whether no write has failed."""
        return not self._failures

    @property
    def refused(self) -> dict[int, KafkaError]:
        """The writes that failed for their own sake, and why; the others were not sent any more."""
        return {write: error for write, error in self._failures if error.code() not in UNSENT}

    def of(self, write: int) -> Report:
        """Return the delivery callback of the write of that number; it is `expected` once it was handed over."""

        def report(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self._acknowledged += 1
            else:
                self._failures.append((write, error))

        return report


class Refusals:
    """The events that were refused in one replay.

    Finding a refused event costs a transaction and half a second. So an event that must fail like an earlier one is not
    tried: one of the same topic that is as large, has a timestamp as far off, or has no key either.

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
        """Return why an event will be refused; None where it may be taken."""
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
        """Say which events each topic refused, why, and what to change."""
        for (topic, _), kind in self._kinds.items():
            letters = f"{len(kind.places):,} events of dead letters {', '.join(kind.places)}"
            yield f"{letters}: topic {topic} refused them ({kind.error.str()}); {self._advice(topic, kind)}"

    def _fails(self, event: Write, kind: "_Kind") -> bool:
        """Whether an event fails as one of its topic did."""
        code, refused = kind.error.code(), kind.least
        if code in OF_SIZE:
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
        if code in OF_SIZE:
            limit = config.get("max.message.bytes", "too small")
            return f"its max.message.bytes is {limit}: set that to {kind.largest + ENVELOPE_BYTES} or more"
        if code == KafkaError.INVALID_TIMESTAMP:
            names = [name for name in (AFTER, BEFORE, DIFFERENCE) if name in config] or [AFTER, BEFORE]
            return f"set its {' and '.join(names)} to {ANY_TIME}"
        if kind.least["key"] is None and self._is_compacted(topic):
            return "a compacted topic takes no event without a key: set its cleanup.policy to delete"
        return "the brokers' log says which check the events failed"


@dataclass(slots=True)
class _Kind:
    """Events that a topic refused with the same code.

    error:   as it came first.
    least:   the event that was refused for the least: any that exceeds it is refused, too.
    places:  of the dead letters.
    largest: bytes of the largest event.
    """

    error: KafkaError
    least: Write
    places: list[str] = field(default_factory=list)
    largest: int = 0


def concerns_event(error: KafkaError) -> bool:
    """Whether a topic refused an event for what it is, and may take others."""
    return error.code() in OF_RECORD
