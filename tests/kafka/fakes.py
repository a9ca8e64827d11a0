"""Delivery and the source on brokers in memory, which take thousands of orders of events in a second.

Each call of a fake takes one step from a script, which says what happens inside of the call. The contract in
`tests/kafka/delivery/test_contract.py` runs on these fakes and on real brokers, so a fake that differs is noticed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np

from scorer.batch import Payloads, Reason, Records, Rejected
from scorer.errors import Aborted, Fatal
from scorer.kafka.consume.records import take
from scorer.kafka.delivery.delivery import Written
from scorer.kafka.offsets import Offsets, Partition, next_offsets

TOPIC = "in"
WINDOW, IN_FLIGHT = 2, 10  # batches that are not acknowledged, and the records in them
MOST = 8  # records that are written but not known to be committed
LARGEST = 600  # bytes of a prediction that the output topic accepts
EACH = 2  # events of each partition in a batch
Row = tuple[int, int]  # partition, offset
Steps = Callable[[], str]


class Broker:
    """The topics, and the committed offsets of the group.

    Args:
        events: how many events each partition of the input topic has.
    """

    def __init__(self, events: Mapping[int, float]) -> None:
        self.events = dict(events)
        self.predictions: list[Row] = []
        self.letters: list[Row] = []
        self.committed: Offsets = {}
        self.sent: Offsets = {}  # the commit on its way
        self.available = True

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit offsets."""
        self.committed |= offsets

    def lost(self) -> list[Row]:
        """Return the events below a committed offset that have neither a prediction nor a dead letter."""
        written = {*self.predictions, *self.letters}
        committed = [(number, offset) for (_, number), end in self.committed.items() for offset in range(end)]
        return [row for row in committed if row not in written]


@dataclass
class Batch:
    """A published batch."""

    predictions: list[Row]
    letters: list[Row]
    positions: Offsets
    events: int
    unwritable: list[Rejected]
    refused: bool  # the brokers refuse all of it, and nothing can replace it
    on_written: Written
    acknowledged: bool = False


class Member:
    """What both modes of delivery share: the partitions that are ours, and what was published of them.

    Attributes:
        expected: the offset that must be published next, by partition.
        written: the offset after the last one that was published, by partition.
    """

    def __init__(self, broker: Broker, step: Steps) -> None:
        self.broker, self.step = broker, step
        self.owned: set[int] = set()
        self.expected: dict[int, int] = {}
        self.written: Counter[int] = Counter()

    def gain(self, partition: int) -> int:
        """Own a partition; return where it starts: at its committed offset, as another replica would."""
        self.owned.add(partition)
        self.expected[partition] = self.broker.committed.get((TOPIC, partition), 0)
        return self.expected[partition]

    def accept(self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written) -> Batch:
        """Return a batch to be written, which must consist of the next events of our partitions."""
        places = rows(records)
        for partition, offset in places:
            assert partition in self.owned, "an event of a partition that is not ours was published"
            assert offset == self.expected[partition], "an event was left out or published twice"
            self.expected[partition] += 1
            self.written[partition] = max(self.written[partition], offset + 1)
        sizes = np.diff(payloads.ends, prepend=0).tolist()
        large = [row for row, size in zip(payloads.rows.tolist(), sizes, strict=True) if size > LARGEST]
        unwritable = [Rejected(row, Reason.UNWRITABLE, "its prediction is too large") for row in large]
        letters = {each.row for each in [*rejected, *unwritable]}
        return Batch(
            [place for row, place in enumerate(places) if row not in letters],
            [place for row, place in enumerate(places) if row in letters],
            next_offsets(records),
            len(places),
            unwritable,
            refused=bool(large) and len(large) == len(sizes),
            on_written=on_written,
        )

    def write(self, batch: Batch) -> None:
        """Make what a batch writes readable."""
        self.broker.predictions += batch.predictions
        self.broker.letters += batch.letters


class AtLeastOnce(Member):
    """A window of batches in flight: they are acknowledged in `serve`, and committed once all before them are."""

    transaction_open = False

    def __init__(self, broker: Broker, step: Steps) -> None:
        super().__init__(broker, step)
        self.dropped = 0
        self._batches: list[Batch] = []
        self._written: Offsets = {}  # acknowledged, and not known to be committed
        self._unconfirmed = self._confirmable = 0

    def full(self, events: int) -> bool:
        together = events + sum(batch.events for batch in self._batches)
        return len(self._batches) >= WINDOW or (bool(self._batches) and together > IN_FLIGHT)

    @property
    def behind(self) -> bool:
        return self._unconfirmed > MOST

    @property
    def idle(self) -> bool:
        return not self._batches

    @property
    def waiting_seconds(self) -> float:
        return 1.0 if self._batches else 0.0

    @property
    def uncommitted(self) -> int:
        return self._unconfirmed + sum(batch.events for batch in self._batches if batch.positions)

    def publish(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written = lambda _: None
    ) -> None:
        assert not self.full(len(records)), "the window has no room"
        if self.step() == "fatal":
            raise Fatal("the client refused a write")
        self._batches.append(self.accept(records, payloads, rejected, on_written))

    def serve(self, _: float = 0.0) -> None:
        step = self.step()
        waiting = [batch for batch in self._batches if not batch.acknowledged]
        if waiting and step.startswith("acknowledge") and self.broker.available:
            self._acknowledge(waiting[-1 if step.endswith("last") else 0])

    def commit(self) -> None:
        self.step()
        self._commit()

    def advance(self, positions: Mapping[Partition, int]) -> None:
        (self._batches[-1].positions if self._batches else self._written).update(positions)

    def committed(self, *, confirmed: bool) -> None:
        if confirmed:
            self._unconfirmed -= self._confirmable
            self._written = {place: at for place, at in self._written.items() if self.broker.sent.get(place) != at}
        self.broker.sent, self._confirmable = {}, 0

    def finish(self, _: float) -> None:
        if self.broker.available:
            for batch in self._batches:
                self._acknowledge(batch)
            self._take_written()
            self.broker.commit(self._written)
            self._written, self._unconfirmed = {}, 0

    def forget(self, partitions: Iterable[Partition]) -> None:
        before = self.uncommitted
        for partition in partitions:
            for offsets in (self._written, self.broker.sent, *(batch.positions for batch in self._batches)):
                offsets.pop(partition, None)
        if not self._written:
            self._unconfirmed = self._confirmable = 0
        self.dropped += before - self.uncommitted

    def settle(self, _: float) -> bool:
        for batch in self._batches if self.broker.available else ():
            if not batch.unwritable:
                self._acknowledge(batch)
        self._commit()
        return not self._batches and not self._written

    def close(self) -> None:
        self._batches.clear()

    def _acknowledge(self, batch: Batch) -> None:
        if batch.refused:
            raise Fatal("the brokers refused a write")
        if not batch.acknowledged:
            self.write(batch)
        batch.acknowledged = True

    def _take_written(self) -> None:
        while self._batches and self._batches[0].acknowledged:
            batch = self._batches.pop(0)
            self._unconfirmed += batch.events if batch.positions else 0
            self._written |= batch.positions
            batch.on_written(batch.unwritable)

    def _commit(self) -> None:
        self._take_written()
        if self._written and not self.broker.sent and self.broker.available:
            self.broker.sent, self._confirmable = dict(self._written), self._unconfirmed


class ExactlyOnce(Member):
    """Transactions that have ended when `publish` returns."""

    behind = transaction_open = False
    idle = True
    waiting_seconds = 0.0
    uncommitted = dropped = 0

    def __init__(self, broker: Broker, step: Steps) -> None:
        super().__init__(broker, step)
        self._positions: Offsets = {}

    def full(self, _: int) -> bool:
        return False

    def publish(
        self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], on_written: Written = lambda _: None
    ) -> None:
        step = self.step()
        if step == "aborted" or not self.broker.available:
            raise Aborted("the transaction was aborted")
        batch = self.accept(records, payloads, rejected, on_written)
        if step == "fatal" or batch.refused:
            raise Fatal("the brokers refused a write")
        for partition in batch.positions:
            self._positions.pop(partition, None)
        self.write(batch)
        self.broker.commit(batch.positions)
        on_written(batch.unwritable)

    def serve(self, _: float = 0.0) -> None:
        self.step()

    def commit(self) -> None:
        self.step()
        if self.broker.available:
            self.broker.commit(self._positions)
            self._positions.clear()

    def advance(self, positions: Mapping[Partition, int]) -> None:
        self._positions |= positions

    def committed(self, *, confirmed: bool) -> None:
        """Nothing to do: the consumer makes no commits."""

    def finish(self, _: float) -> None:
        """Nothing to do: what is published is committed."""

    def forget(self, partitions: Iterable[Partition]) -> None:
        for partition in partitions:
            self._positions.pop(partition, None)

    def settle(self, _: float) -> bool:
        return True

    def close(self) -> None:
        """Nothing to do: no transaction is open."""


class Source:
    """A consumer; partitions change hands, and commits are answered, in its calls alone, as in the client."""

    starts = SimpleNamespace(decided=True)
    commits = SimpleNamespace(failure="")
    backlog = True

    def __init__(self, delivery: AtLeastOnce | ExactlyOnce) -> None:
        self._delivery, self._broker = delivery, delivery.broker
        self._next = {partition: delivery.gain(partition) for partition in self._broker.events}
        self._generation = 0  # counts losses
        self._since = dict.fromkeys(self._next, 0)  # the generation in which each partition became ours

    @property
    def assignment(self) -> SimpleNamespace:
        owned = {(TOPIC, partition): 0 for partition in self._delivery.owned}
        return SimpleNamespace(owned=owned, joined=bool(owned))

    def poll(self) -> Records | None:
        step, chosen = self._step(), list[Row]()
        for partition in sorted(self._delivery.owned) if step == "batch" else ():
            first = self._next[partition]
            self._next[partition] = int(min(first + EACH, self._broker.events[partition]))
            chosen += [(partition, offset) for offset in range(first, self._next[partition])]
        return replace(records(chosen), generation=self._generation) if chosen else None

    def poll_ahead(self, held: Records) -> Records | None:
        assert held, "nothing is in hand"
        return self.poll()

    def keep_alive(self, batch: Records | None, _: float) -> Records | None:
        step = self._step()
        if step.startswith("return") and (partition := int(step[-1])) in self._delivery.owned:  # after a loss, at once
            self._lose(partition)
            self._gain(partition)
        return batch and self.current(batch)

    def serve(self, batch: Records, seconds: float) -> Records | None:
        return self.keep_alive(batch, seconds)

    def current(self, batch: Records) -> Records | None:
        owned = self._delivery.owned
        ours = [partition in owned and self._since[partition] <= batch.generation for partition, _ in rows(batch)]
        return take(batch, np.flatnonzero(ours))

    def _step(self) -> str:
        step = self._delivery.step()
        what, _, which = step.partition(" ")
        if what in {"confirm", "deny"} and self._broker.sent:
            if what == "confirm":
                self._broker.commit(self._broker.sent)
            self._delivery.committed(confirmed=what == "confirm")
        elif what in {"revoke", "lose"} and int(which) in self._delivery.owned:
            if what == "revoke":
                self._delivery.finish(1.0)
            self._lose(int(which))
        elif what == "gain" and int(which) not in self._delivery.owned:
            self._gain(int(which))
        return step

    def _gain(self, partition: int) -> None:
        self._next[partition], self._since[partition] = self._delivery.gain(partition), self._generation

    def _lose(self, partition: int) -> None:
        self._generation += 1
        self._delivery.owned.discard(partition)
        self._delivery.forget([(TOPIC, partition)])


def records(chosen: Sequence[Row]) -> Records:
    """Return a batch of these rows."""
    count = len(chosen)
    return Records(
        topics=(TOPIC,),
        topic=np.zeros(count, np.int32),
        partition=np.array([partition for partition, _ in chosen], np.int32),
        offset=np.array([offset for _, offset in chosen], np.int64),
        timestamp=np.zeros(count, np.int64),
        keys=[None] * count,
        data=np.zeros(0, np.uint8),
        ends=np.zeros(count, np.int64),
        originals=[None] * count,
    )


def rows(batch: Records) -> list[Row]:
    """Return the partition and the offset of each record."""
    return list(zip(batch.partition.tolist(), batch.offset.tolist(), strict=True))
