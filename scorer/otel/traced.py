"""The record of a traced batch, from which the export thread makes its spans."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from scorer.batch import Outcome, Records
from scorer.kafka import TRACEPARENT, Carried
from scorer.monitor import Lap

MOST_LINKS = 128  # links of a span; the SDK's default limit
ACKNOWLEDGE = "acknowledge"  # from the last stage until the brokers have acknowledged all writes
TOPIC = "messaging.destination.name"

Attributes = dict[str, str | int | Sequence[str]]


@dataclass(slots=True)
class Traced:
    """A traced batch. It holds no events, so many may wait while the receiver is down.

    trace_id, span_id: the ids of its span.
    attributes: the attributes of its span.
    rejected:   the number of its events that became dead letters.
    links:      the distinct `traceparent` of its events.
    laps:       the stages of its iteration, once that has ended.
    ended:      when the iteration ended, in seconds of `perf_counter`; 0 before.
    written:    when all writes were acknowledged, in the same unit; 0 before.
    """

    trace_id: int
    span_id: int
    attributes: Attributes
    rejected: int = 0
    links: Sequence[str] = ()
    laps: Sequence[Lap] = field(default_factory=list)
    ended: float = 0.0
    written: float = 0.0

    @property
    def spans(self) -> int:
        """The number of its spans."""
        return 1 + len(self.laps) + (self.written > self.ended)

    @property
    def parent(self) -> bytes:
        """The header `traceparent` for the prediction of an event that has none."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01".encode()

    def stages(self) -> Iterator[tuple[Lap, bool]]:
        """Yield the laps, and whether each was work on the batch after this one.

        In a backlog the loop polls and decodes the next batch once it has sent this one's look-up.
        """
        sent = ahead = False
        for lap in self.laps:
            stage = lap[0]
            ahead = sent if stage == "consume" else ahead and stage in {"decode", "keys"}
            sent |= stage == "look_up"
            yield lap, ahead
        if self.written > self.ended:
            yield (ACKNOWLEDGE, self.ended, self.written), False


def links_of(carried: Carried) -> list[str]:
    """Return the distinct `traceparent` of events, as many as a span may link to."""
    found: dict[bytes, None] = {}
    for headers in carried:
        for name, value in headers:
            if name == TRACEPARENT and value:
                found[value] = None
        if len(found) >= MOST_LINKS:
            break
    return [value.decode("ascii", "replace") for value in list(found)[:MOST_LINKS]]


def attributes_of(records: Records, outcome: Outcome, group: str) -> Attributes:
    """Return the attributes of a batch, by the semantic conventions of messaging where they have a name."""
    predictions = outcome.predictions
    attributes: Attributes = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.consumer.group.name": group,
        "messaging.batch.message_count": len(records),
        "scorer.model": predictions.model,
        "scorer.versions": [version for version, _ in predictions.arms],
    }
    topics, partitions = np.unique(records.topic), np.unique(records.partition)
    if len(topics) == 1:
        attributes[TOPIC] = records.topics[topics[0]]
        if len(partitions) == 1:
            attributes["messaging.destination.partition.id"] = str(partitions[0])
            if len(records) == 1:
                attributes["messaging.kafka.offset"] = int(records.offset[0])
    return attributes
