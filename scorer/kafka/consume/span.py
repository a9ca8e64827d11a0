"""Reads a span of offsets: each partition up to a fixed end, and then nothing more."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np
from confluent_kafka import KafkaException, TopicPartition

from scorer.batch import Outcome, Records, Rejected
from scorer.kafka.consume.records import take
from scorer.kafka.consume.source import Source
from scorer.kafka.delivery.commits import places, topic_partitions
from scorer.kafka.observer import Observer
from scorer.kafka.offsets import Partition
from scorer.settings import BatchSettings, KafkaSettings

MakeSource = Callable[
    [KafkaSettings, BatchSettings, Observer, Callable[[str], None], Callable[[str], None]], Source
]  # takes the arguments of `Source`
ASK_SECONDS = 1.0  # for the committed offsets of the group
LOOK_SECONDS = 0.5  # between two checks whether the group is done


class SpanSource(Source):
    """A consumer whose partitions have ends. The end of a partition is the first offset that is not read.

    The group's committed offsets say where each partition starts. A partition that is not in the span is not read.

    Args:
        ends: the end of each partition, an offset.
        kafka, batch, observer, condition, waiting: see `Source`.
    """

    def __init__(  # noqa: PLR0913, PLR0917  those of a source, and the ends
        self,
        ends: Mapping[Partition, int],
        kafka: KafkaSettings,
        batch: BatchSettings,
        observer: Observer,
        condition: Callable[[str], None],
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(kafka, batch, observer, condition, waiting)
        self._stops = dict(ends)
        self._over: set[Partition] = set()  # our partitions whose end was reached
        self._told: set[Partition] = set()  # those among them whose end must still be committed
        self._held: set[Partition] = set()  # paused in the client
        self._look_at = 0.0

    def poll(self) -> Records | None:
        """Return the next batch of the span; see `Source.poll`."""
        self._settle()
        return self._within(super().poll())

    def poll_ahead(self, held: Records) -> Records | None:
        """Return the next batch of the span; see `Source.poll_ahead`."""
        return self._within(super().poll_ahead(held))

    def done(self) -> bool:
        """Whether the group has committed all partitions up to their ends; asks the brokers once in LOOK_SECONDS."""
        if not self.assignment.joined or any(not self._is_over(place) for place in self.assignment.owned):
            return False
        if time.monotonic() < self._look_at:
            return False
        try:
            committed = self.commits.read(self._stops, ASK_SECONDS)
        except KafkaException:  # a transaction is open, or the brokers do not answer: look again
            return False
        finally:
            self._look_at = time.monotonic() + LOOK_SECONDS
        return all(committed[place] >= stop for place, stop in self._stops.items())

    def _settle(self) -> None:
        """Commit the ends that were reached; by now all batches returned before are published or abandoned."""
        told = self._told & self._over & self._stops.keys()
        if told and self._delivery is not None:
            self._delivery.advance({place: self._stops[place] for place in told})
        self._told.clear()
        if back := self._held - self._over:
            self._consumer.resume(topic_partitions(dict.fromkeys(back, 0)))  # by name, whether it is ours or not
            self._held -= back

    def _within(self, records: Records | None) -> Records | None:
        """Return the records of the span; the first one beyond it shows that the end of its partition was reached."""
        if records is None:
            return None
        numbers = zip(records.topic.tolist(), records.partition.tolist(), strict=True)
        of_rows: list[Partition] = [(records.topics[topic], number) for topic, number in numbers]
        stops = np.array([self._stops.get(place, 0) for place in of_rows])
        self._reach(
            {place for place, last in zip(of_rows, (records.offset + 1 >= stops).tolist(), strict=True) if last}
        )
        inside = records.offset < stops
        return records if inside.all() else take(records, np.flatnonzero(inside))

    def _reach(self, partitions: Collection[Partition]) -> None:
        if not partitions:
            return
        self._over.update(partitions)
        self._told.update(partitions)
        self._held.update(partitions)
        self._consumer.pause(topic_partitions(dict.fromkeys(partitions, 0)))  # what follows is not fetched in vain

    def _is_over(self, place: Partition) -> bool:
        position = self._gaps.position(place)
        return place in self._over or (position is not None and position >= self._stops.get(place, 0))

    def _remove(self, kind: Literal["revoked", "lost"], partitions: list[TopicPartition]) -> None:
        super()._remove(kind, partitions)
        self._over.difference_update(places(partitions))


class Ending:
    """Stops a replica when its group has written a span, and counts the events that this replica writes.

    Args:
        ends: the end of each partition.
        progress: receives the number of events written so far.

    Attributes:
        scored_events, dead_letters: the number of each that this replica has written.
        complete: whether the whole span was written.
    """

    def __init__(self, ends: Mapping[Partition, int], progress: Callable[[int], None] = lambda _: None) -> None:
        self._ends, self._progress = ends, progress
        self._source: SpanSource | None = None
        self._stop: Callable[[], None] = lambda: None
        self.scored_events = self.dead_letters = 0
        self.complete = False

    def source_of(self, stop: Callable[[], None]) -> MakeSource:
        """Return a function that creates the consumer of the span.

        Args:
            stop: asks the replica to stop.
        """
        self._stop = stop
        return self._make

    def _make(
        self,
        kafka: KafkaSettings,
        batch: BatchSettings,
        observer: Observer,
        condition: Callable[[str], None],
        waiting: Callable[[str], None],
    ) -> Source:
        self._source = SpanSource(self._ends, kafka, batch, observer, condition, waiting)
        return self._source

    def scored(self, outcome: Outcome) -> None:
        """Do nothing: only written events count."""

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Count the events of a batch."""
        bad = len(outcome.rejected) + len(unwritable)
        self.scored_events += len(records) - bad
        self.dead_letters += bad
        self._progress(self.scored_events + self.dead_letters)

    def iteration_ended(self, records: Records | None) -> None:
        """Request a stop once the span is written."""
        if records is None and not self.complete and self._source is not None and self._source.done():
            self.complete = True
            self._stop()
