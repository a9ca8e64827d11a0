"""Joins captured rows with their labels, in three readings of the topics and with 24 bytes of memory a row."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from scorer.avro import CapturedRow, Schema, read_capture
from scorer.batch import Records
from scorer.errors import Misconfigured, Problem
from scorer.kafka import Reader, Record
from scorer.labels.reading import Labels
from scorer.labels.slim import Slim, Slims, decode, short_id
from scorer.labels.sources import label_framing
from scorer.labels.table import NO_TIME
from scorer.labels.task import Task
from scorer.labels.topics import HOUR_MS
from scorer.serving.formats import Formats
from scorer.settings import LabelSettings

BATCH = 5_000  # records of labels that are decoded together
ROWS = 8_192  # rows that are yielded together

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Period:
    """From a time on, and before another: milliseconds since the epoch, by the time of scoring."""

    begin: int
    end: int


@dataclass(slots=True)
class Counts:
    """What became of the captured rows.

    repeated:   were captured twice, since a replica was killed; the last one counts.
    unlabelled: have no label.
    unreadable: are no rows.
    bad:        labels that cannot be used, by reason.
    written:    have a label.
    """

    repeated: int = 0
    unlabelled: int = 0
    unreadable: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    written: int = 0


class TrainingSet:
    """The captured rows of a period that have a label.

    Args:
        formats: the formats of the stream.
        topic: the topic of the captured rows.
        labels: the settings of labels.
        task: what the model predicts.
        period: the period of the rows.
        version: the version of the rows; None if all versions have the same columns.
        progress: called with the number of records read so far.
    """

    def __init__(  # noqa: PLR0913, PLR0917  each is a part of the question
        self,
        formats: Formats,
        topic: str,
        labels: LabelSettings,
        task: Task,
        period: Period,
        version: str | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        self._formats, self._topic, self._settings, self._task = formats, topic, labels, task
        self._period, self._version, self._progress, self._read = period, version, progress, 0
        self.columns: tuple[str, ...] = ()
        self._ids, self._chosen, self._labels = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        self.counts = Counts()

    def prepare(self) -> None:
        """Find the rows and their labels.

        Raises:
            Misconfigured: there are no rows, or versions with different columns.
            Unavailable: the brokers do not answer.
            Fatal: a topic is missing.
        """
        found, places = list[bytes](), list[int]()
        columns: dict[tuple[str, ...], str] = {}
        for place, row in self._rows():
            columns.setdefault(row.columns, row.version)
            found.append(short_id(row.event_id))
            places.append(place)
        if len(columns) > 1:
            what = f"versions {' and '.join(sorted(set(columns.values())))} have different columns"
            raise Misconfigured([Problem("--version", what, "choose one of them")])
        if not columns:
            raise Misconfigured([Problem("--from", f"{self._topic} has no rows of this time", "choose another")])
        (self.columns,) = columns
        ids = np.frombuffer(b"".join(found), np.int64)
        order = np.lexsort((np.array(places), ids))  # of the rows of an event the last one counts
        last = np.append(ids[order][1:] != ids[order][:-1], True)
        self.counts.repeated = int((~last).sum())
        self._ids, self._chosen = ids[order][last], np.array(places)[order][last]
        self._labels = np.full(len(self._ids), np.nan)
        self._join()

    def rows(self) -> Iterator[list[tuple[CapturedRow, float]]]:
        """Yield the rows that have a label, in lists.

        Raises:
            Unavailable: the brokers do not answer.
        """
        labelled = self._labelled()
        while some := list(islice(labelled, ROWS)):
            self.counts.written += len(some)
            yield some

    def _labelled(self) -> Iterator[tuple[CapturedRow, float]]:
        self.counts.unreadable = 0  # they are read once more
        for place, row in self._rows():
            at = int(self._places(np.frombuffer(short_id(row.event_id), np.int64))[0])
            if at < 0 or self._chosen[at] != place:
                continue
            if np.isnan(self._labels[at]):
                self.counts.unlabelled += 1
            else:
                yield row, float(self._labels[at])

    def _rows(self) -> Iterator[tuple[int, CapturedRow]]:
        """Yield the rows of the period, each with a number that grows within the partition of its key."""
        with closing(Reader(self._formats.settings.kafka, [self._topic])) as reader:
            for record in reader.read(self._period.begin, follow=False):
                self._count()
                try:
                    row = read_capture(record.value or b"")
                except ValueError:
                    self.counts.unreadable += 1
                    continue
                if self._period.begin <= row.scored_at < self._period.end and self._version in {None, row.version}:
                    yield record.offset, row

    def _join(self) -> None:
        """Read all labels that may belong to the rows; of several of an event, the latest one counts."""
        times = np.full(len(self._ids), NO_TIME)
        for slims in self._label_batches():
            good = slims.kinds == Slim.LABEL
            for tail in (tail for tail, fine in zip(slims.tails, good.tolist(), strict=True) if not fine):
                self.counts.bad[tail.partition(b"\0")[0].decode()] += 1
            ids, at, numbers = slims.ids[good], slims.times[good], slims.numbers[good]
            for row, time, number in zip(self._places(ids).tolist(), at.tolist(), numbers.tolist(), strict=True):
                if row >= 0 and time >= times[row]:
                    times[row], self._labels[row] = time, number

    def _label_batches(self) -> Iterator[Slims]:
        schema, kafka = Schema.load(self._settings.schema_path), self._formats.settings.kafka
        reading = Labels(self._settings, schema, label_framing(self._formats, schema), self._task, ())
        before = round(self._settings.horizon_hours * HOUR_MS)  # a label may come before its prediction
        with closing(Reader(kafka, [self._settings.topic])) as reader:
            records = reader.read(max(0, self._period.begin - before), follow=False)
            while some := list(islice(records, BATCH)):
                self._count(len(some))
                _, _, values = reading.thin(_batch(some))
                yield decode(values)

    def _places(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of each id, or -1."""
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[at] == ids, at, -1)

    def _count(self, records: int = 1) -> None:
        self._read += records
        self._progress(self._read)


def _batch(records: list[Record]) -> Records:
    """Return records of one topic as a batch."""
    made = Records.of([record.value or b"" for record in records], originals=records)
    return replace(
        made,
        topics=(records[0].topic,),
        topic=np.zeros(len(records), np.int32),
        partition=np.array([record.partition for record in records], np.int32),
        offset=np.array([record.offset for record in records], np.int64),
        timestamp=np.array([record.timestamp for record in records], np.int64),
    )
