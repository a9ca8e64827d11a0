"""The counts of a replica that are not published yet, with one line for each of its partitions."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.kernel import Flags, Ints, Ints2, Ints32, entry
from scorer.batch import Outcome, Records
from scorer.drift.baseline import Baseline
from scorer.drift.bins import Rows, Scratch, count
from scorer.drift.slices import Slice

FIRST, NEXT, EVENTS, REJECTED, FOREIGN = range(5)  # the numbers of a line
NOT_OURS, NEW = -1, -2  # in place of a line's number
NEVER = 2**62
MOST_COUNTED = 2**30  # events in a line, whose counts are int32

Whole = TypeVar("Whole", np.int32, np.int64)
Place = tuple[str, int]  # a topic and a partition


@entry
def span(lines: Ints32, offsets: Ints, scored: Flags, foreign: Flags, spans: Ints2) -> None:
    """Add rows to the numbers of their lines.

    Args:
        lines: [rows], or NOT_OURS.
        offsets: [rows].
        scored: [rows], whether the row has a prediction; otherwise it is a dead letter.
        foreign: [rows], whether its arm has other columns.
        spans: [lines, 5], changed.
    """
    for row in range(len(lines)):
        line = lines[row]
        if line >= 0:
            spans[line, FIRST] = min(spans[line, FIRST], offsets[row])
            spans[line, NEXT] = max(spans[line, NEXT], offsets[row] + 1)
            spans[line, EVENTS] += scored[row]
            spans[line, REJECTED] += not scored[row]
            spans[line, FOREIGN] += scored[row] and foreign[row]


@dataclass(slots=True)
class _Counts:
    """The counts of all lines, in the bins of one baseline, for some arms."""

    baseline: Baseline | None
    arms: tuple[str, ...]
    columns: NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 0), np.int32))  # [lines, bins]
    scores: NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 0), np.int32))  # [lines * arms, bins]

    def grow(self, lines: int) -> None:
        """Make room for this many lines."""
        if self.baseline is not None:
            self.columns = _grown(self.columns, lines, len(self.baseline.layout))
            self.scores = _grown(self.scores, lines * len(self.arms), len(self.baseline.score_layout))

    def take(self, line: int) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
        """Return the counts of a line, and set them to 0."""
        if self.baseline is None:
            return np.empty(0, np.int64), {}
        columns = self.columns[line].astype(np.int64)
        self.columns[line] = 0
        at = line * len(self.arms)
        scores = self.scores[at : at + len(self.arms)].astype(np.int64)
        self.scores[at : at + len(self.arms)] = 0
        return columns, {name: each for name, each in zip(self.arms, scores, strict=True) if each.any()}


class Ledger:
    """Counts written batches by partition. Slices can be taken only once their offsets are committed.

    The loop's thread adds batches, and another thread takes slices.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = _Counts(None, ())
        self._spans: NDArray[np.int64] = np.empty((0, 5), np.int64)
        self._line: dict[Place, int] = {}
        self._free: list[int] = []
        self._table: dict[str, NDArray[np.int32]] = {}  # by topic: the line of each partition
        self._expected: dict[Place, int] = {}  # where the last slice of a partition ended
        self._committed: dict[Place, int] = {}
        self._waiting: defaultdict[Place, list[Slice]] = defaultdict(list)
        self._done: list[Slice] = []
        self._gone: dict[Place, int] = {}  # by former partition: the last generation whose batches may still be written
        self._generation = self._events = 0
        self._scratch, self._true, self._false = Scratch.of(0), np.ones(0, np.bool_), np.zeros(0, np.bool_)

    def use(self, baseline: Baseline | None) -> None:
        """Use the bins of a baseline from now on; without one, count only the number of events."""
        with self._lock:
            if (self._counts.baseline and self._counts.baseline.id) != (baseline and baseline.id):
                self._seal()
                self._counts = _Counts(baseline, self._counts.arms)
                self._counts.grow(len(self._spans))

    def clear(self) -> None:
        """Forget all partitions, since the replica rejoins the group; committed slices of former ones are kept."""
        with self._lock:
            self._counts = _Counts(self._counts.baseline, ())
            self._spans = np.empty((0, 5), np.int64)
            for each in (self._line, self._table, self._expected, self._committed, self._waiting, self._gone):
                each.clear()
            self._free.clear()
            self._generation = self._events = 0

    def written(self, records: Records, outcome: Outcome) -> None:
        """Add a batch that was written."""
        with self._lock:
            arms = tuple(f"{version}/{name}" for version, name in outcome.predictions.arms)
            if arms != self._counts.arms:
                self._seal()
                self._counts = _Counts(self._counts.baseline, arms)
                self._counts.grow(len(self._spans))
            lines = self._lines(records)
            scored, foreign = self._all(len(records), outcome)
            span(lines, records.offset, scored, foreign, self._spans)
            self._events += len(records)
            self._count(outcome, lines)
            if self._events >= MOST_COUNTED:  # nobody has taken slices for days
                self._events = 0
                self._seal()

    def published(self, generation: int) -> None:
        """Note the generation of the assignment under which a published batch was read."""
        self._generation = max(self._generation, generation)

    def confirmed(self, offsets: Mapping[Place, int]) -> None:
        """Note that offsets are committed."""
        with self._lock:
            self._committed.update(offsets)

    def forget(self, place: Place) -> None:
        """Drop a partition that is no longer owned, except its committed slices."""
        with self._lock:
            self._seal([place])
            self._done += self._ready(place)
            self._waiting.pop(place, None)
            self._expected.pop(place, None)
            self._committed.pop(place, None)
            self._gone[place] = self._generation
            if (line := self._line.pop(place, None)) is not None:
                self._free.append(line)
                self._table[place[0]][place[1]] = NEW

    @property
    def events(self) -> int:
        """How many records were added since the last slices were taken."""
        return self._events

    def seal(self) -> None:
        """End the current slices, so that they can be taken once they are committed."""
        with self._lock:
            self._events = 0
            self._seal()

    def take(self) -> list[Slice]:
        """Return the committed slices, each once."""
        with self._lock:
            done, self._done = self._done, []
            for place in list(self._waiting):
                done += self._ready(place)
            return done

    def _count(self, outcome: Outcome, lines: NDArray[np.int32]) -> None:
        counts, predictions, values = self._counts, outcome.predictions, outcome.matrix.values
        if counts.baseline is None:
            return
        rows = predictions.rows
        mine = lines if len(rows) == len(lines) else lines[rows]
        if len(mine) and mine.min() < 0:
            rows, mine = rows[mine >= 0], mine[mine >= 0]
        if len(rows) > len(self._scratch.place):
            self._scratch = Scratch.of(len(rows))
        of_arms = mine * np.int32(len(counts.arms)) + predictions.arm[rows] if len(counts.arms) > 1 else mine
        scores = np.ascontiguousarray(predictions.scores.reshape(len(lines), -1), np.float32)
        bins = counts.baseline.score_layout.bins
        count(Rows(scores, scores.view(np.uint32), rows, of_arms), bins, self._scratch, counts.scores)
        if outcome.matrix.foreign is not None:
            kept = ~outcome.matrix.foreign[rows]
            rows, mine = rows[kept], mine[kept]
        if values.shape[1] == len(counts.baseline.columns):
            values = np.ascontiguousarray(values)
            bins = counts.baseline.layout.bins
            count(Rows(values, values.view(np.uint32), rows, mine), bins, self._scratch, counts.columns)

    def _all(self, rows: int, outcome: Outcome) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which rows of a batch [rows] were scored, and which belong to arms with other columns."""
        if len(self._true) < rows:
            self._true, self._false = np.ones(rows, np.bool_), np.zeros(rows, np.bool_)
        scored, foreign = self._true[:rows], outcome.matrix.foreign
        if len(outcome.predictions.rows) < rows:
            scored = np.zeros(rows, np.bool_)
            scored[outcome.predictions.rows] = True
        return scored, self._false[:rows] if foreign is None else foreign

    def _lines(self, records: Records) -> NDArray[np.int32]:
        """Return the line of each row, int32 [rows], or NOT_OURS."""
        if len(records.topics) == 1:
            return self._of_topic(records.topics[0], records.partition, records.generation)
        lines = np.empty(len(records), np.int32)
        for number, topic in enumerate(records.topics):
            chosen = records.topic == number
            lines[chosen] = self._of_topic(topic, records.partition[chosen], records.generation)
        return lines

    def _of_topic(self, topic: str, partitions: NDArray[np.int32], generation: int) -> NDArray[np.int32]:
        table = self._table.get(topic)
        if not len(partitions):
            return np.empty(0, np.int32)
        if table is None or partitions.max() >= len(table):
            table = self._table[topic] = _extended(table, int(partitions.max()) + 1)
        found: NDArray[np.int32] = table[partitions]
        return self._open(topic, partitions, generation) if found.min() < 0 else found

    def _open(self, topic: str, partitions: NDArray[np.int32], generation: int) -> NDArray[np.int32]:
        """Give each new partition a line, unless the batch was read before the partition left."""
        table = self._table[topic]
        for partition in np.unique(partitions).tolist():
            place = topic, partition
            if table[partition] == NEW and self._gone.get(place, -1) < generation:
                self._gone.pop(place, None)
                if not self._free:
                    self._grow()
                self._line[place] = table[partition] = self._free.pop()
        found = table[partitions]
        return np.where(found == NEW, np.int32(NOT_OURS), found)

    def _grow(self) -> None:
        before = len(self._spans)
        self._spans = _grown(self._spans, max(8, 2 * before), 5)
        self._spans[before:, FIRST] = NEVER
        self._free += range(before, len(self._spans))
        self._counts.grow(len(self._spans))

    def _seal(self, places: Sequence[Place] | None = None) -> None:
        for place in self._line if places is None else places:
            line = self._line.get(place)
            if line is None or self._spans[line, NEXT] == 0:
                continue
            first, following, events, rejected, foreign = self._spans[line].tolist()
            self._spans[line] = NEVER, 0, 0, 0, 0
            first = min(first, self._expected.get(place, first))
            counts, arms = self._counts.take(line)
            baseline = self._counts.baseline.id if self._counts.baseline else ""
            self._waiting[place].append(
                Slice(*place, first, following, events, rejected, baseline, counts, arms, foreign)
            )
            self._expected[place] = following

    def _ready(self, place: Place) -> list[Slice]:
        """Take the slices of a partition that are committed."""
        waiting, committed = self._waiting.get(place, []), self._committed.get(place, 0)
        many = sum(each.next <= committed for each in waiting)
        done, self._waiting[place] = waiting[:many], waiting[many:]
        return done


def _grown(table: NDArray[Whole], lines: int, width: int) -> NDArray[Whole]:
    grown: NDArray[Whole] = np.zeros((lines, width), table.dtype)
    if table.size:
        grown[: len(table)] = table
    return grown


def _extended(table: NDArray[np.int32] | None, size: int) -> NDArray[np.int32]:
    extended = np.full(max(size, 16), NEW, np.int32)
    if table is not None:
        extended[: len(table)] = table
    return extended
