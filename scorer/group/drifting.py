"""Counts the rows that a replica scores, publishes the counts to the group, and reports the columns that drift."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from scorer.batch import Outcome, Records, Rejected
from scorer.drift import (
    BASELINES,
    COUNTS,
    HOURS,
    QUANTILES,
    Alarm,
    Baseline,
    Board,
    Ledger,
    Limits,
    Rules,
    Window,
    make_baseline,
    moved,
)
from scorer.group.alerting import Alert
from scorer.group.telling import MonitorRecord
from scorer.monitor import DriftMetrics
from scorer.serving.ensemble import Candidate
from scorer.settings import MonitorSettings

TELL_SECONDS = 1.0  # between two slices of a partition
SOON_SECONDS = 0.5  # the same, if there are enough events for a window
FIRST_EVENTS = 10_000  # events of the stream from which a baseline is made if the model has none
AGAIN_SECONDS = 86_400.0  # after which a baseline is published again, before retention deletes it
NAMES_SECONDS = 3_600.0  # after which the names of slices are reused

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Subject:
    """The model whose columns are watched: the champion.

    columns:  its columns in order, each with the number of its categories, or -1 for numbers.
    outputs:  the number of scores per event.
    baseline: the baseline in its bundle; None without one.
    version:  the version's name.
    """

    columns: Mapping[str, int]
    outputs: int
    baseline: Baseline | None = None
    version: str = ""


def subject_of(champion: Candidate) -> Subject:
    """Return the columns to watch for a champion; those of the first version if it is an ensemble."""
    first = champion.servings[0]
    baseline = first.baseline if len(champion.servings) == 1 else None
    return Subject(first.codes, champion.outputs, baseline, champion.version)


def rules_of(monitor: MonitorSettings) -> Rules:
    """Return the settings of windows and limits as rules."""
    drift, window = monitor.drift, monitor.window
    limits = Limits(drift.false_alarms_per_month, drift.confirm.windows, drift.confirm.of, drift.at_least_psi)
    return Rules(window.events, window.seconds, limits, drift.reference, drift.last_windows)


class Drifting:
    """Observes the loop and its commits, publishes the counts, and adds up those of all replicas.

    Args:
        rules: how windows are made and judged.
        metrics: show the last window of the group.
        clock: seconds since the epoch.
    """

    def __init__(self, rules: Rules, metrics: DriftMetrics, clock: Callable[[], float] = time.time) -> None:
        self.ledger, self.board = Ledger(), Board(rules)
        self._rules, self._metrics, self._clock = rules, metrics, clock
        self._subject: Subject | None = None
        self._gathered = _Gathered()
        self._sealed = 0.0  # when slices were last ended, monotonic seconds
        self._alarms: dict[str, Alarm] = {}  # the alarms that were logged
        self._shown: Window | None = None
        self._proposed = ""  # the id of the baseline that this replica has made of the stream

    # Called by the loop, on its thread.

    def served(self, champion: Candidate) -> None:
        """Watch another champion."""
        before, self._subject = self._subject, subject_of(champion)
        baseline = self._subject.baseline
        if baseline is not None or before is None or before.columns != self._subject.columns:
            self.ledger.use(baseline)
            self._gathered.start(wanted=baseline is None)

    def scored(self, outcome: Outcome) -> None:
        """Do nothing: the batch may be scored again."""

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Count a batch."""
        del unwritable  # these rows were scored, too
        subject, (version, _) = self._subject, outcome.predictions.arms[0]
        if subject is not None and subject.version not in {"", version}:  # scored before the champion changed
            every = np.ones(len(records), np.bool_)
            outcome = replace(outcome, matrix=replace(outcome.matrix, foreign=every))
        self.ledger.written(records, outcome)
        if self._gathered.wanted:
            self._gathered.add(outcome)

    def iteration_ended(self, records: Records | None) -> None:
        """Note which batches may still be written."""
        if records is not None:
            self.ledger.published(records.generation)

    # Called by the consumer and by commits, on the loop's thread.

    def committed(self, result: Literal["ok", "failed", "not_owner"]) -> None:
        """Do nothing: `confirmed` has the offsets."""

    def confirmed(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Note the committed offsets, up to which counts may be published."""
        self.ledger.confirmed(offsets)

    def rebalance(self, kind: Literal["assigned", "revoked", "lost"]) -> None:
        """Do nothing: `forget` has the partitions."""

    def lag(self, topic: str, partition: int, records: int) -> None:
        """Do nothing."""

    def forget(self, topic: str, partition: int) -> None:
        """Give up a partition."""
        self.ledger.forget((topic, partition))

    def deleted(self, topic: str, partition: int, offsets: int) -> None:
        """Do nothing."""

    # Called by the thread that publishes.

    def problems(self) -> dict[str, Alert]:
        """Return the columns that drift, for alerts."""
        return {
            f"drift/{each.column}": Alert(
                f"column {each.column} drifts: PSI {_short(each.psi)}, limit {_short(each.limit)}",
                f"column {each.column} no longer drifts",
            )
            for each in self.board.alarms
        }

    def began(self) -> None:
        """Forget everything: the log is read from its first record."""
        self.board.began()

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """Take a record."""
        self.board.heard(kind, name, document, seconds)

    def due(self, now: float) -> Iterator[MonitorRecord]:
        """Yield the baseline if it is due, the slices whose offsets are committed, and the totals of complete hours."""
        yield from self._baseline()
        passed, enough = now - self._sealed, self.ledger.events >= self._rules.events
        if passed >= TELL_SECONDS or (enough and passed >= SOON_SECONDS):
            self._sealed = now
            self.ledger.seal()
        yield from self._slices()
        yield from ((f"{HOURS}/{name}", document) for name, document in self.board.hours.due())
        self._show()

    def last(self) -> Iterator[MonitorRecord]:
        """Yield the slices whose offsets are committed."""
        self.ledger.seal()
        yield from self._slices()

    def _slices(self) -> Iterator[MonitorRecord]:
        found = self.ledger.take()
        # Names are reused, so that compaction bounds the topic.
        slots = int(max(NAMES_SECONDS, 12 * self._rules.seconds) / SOON_SECONDS)
        slot = int(self._clock() / SOON_SECONDS) % slots
        for number, each in enumerate(found):
            yield f"{COUNTS}/{each.topic}/{each.partition}/{slot}.{number}", each.document()

    def _baseline(self) -> Iterable[MonitorRecord]:
        """Choose the baseline, and return its record if it is due."""
        subject = self._subject
        if subject is None:
            return []
        baseline = subject.baseline or self.board.of_stream(subject.columns, subject.outputs)
        self.ledger.use(baseline)
        if baseline is None:
            return self._propose(subject)
        if subject.baseline is None and self._gathered.wanted:
            self._gathered.start(wanted=False)
            log.info("the model has no baseline: drift is measured from the first events", rows=baseline.rows)
        told = self.board.told.get(baseline.id, 0.0)
        if self._clock() - told < AGAIN_SECONDS:
            return []
        self.board.told[baseline.id] = self._clock()
        return [(f"{BASELINES}/{baseline.id}", baseline.document())]

    def _propose(self, subject: Subject) -> Iterable[MonitorRecord]:
        """Once there are enough events, make a baseline of them for all replicas."""
        found = self._gathered.take(FIRST_EVENTS, len(subject.columns))
        if found is None:
            return []
        baseline = make_baseline(subject.columns, *found, "stream")
        return [(f"{BASELINES}/{baseline.id}", baseline.document())]

    def _show(self) -> None:
        """Set the metrics of the last window, and log the columns that began to drift or no longer do."""
        window = self.board.windows[-1] if self.board.windows else None
        if window is None or window is self._shown:
            return
        self._shown = window
        alarms = {each.column: each for each in self.board.alarms}
        self._metrics.uncounted.set(self.board.tracks.uncounted)
        self._metrics.window(
            window.number,
            {
                each.name: (each.psi, each.limit, float(each.name in alarms), each.missing, each.unknown)
                for each in window.columns
            },
        )
        self._metrics.scores(self._quantiles(window))
        for name in alarms.keys() - self._alarms.keys():
            each = alarms[name]
            log.warning("column drifts", column=name, psi=_short(each.psi), limit=_short(each.limit), since=each.since)
        for name in self._alarms.keys() - alarms.keys():
            log.info("column no longer drifts", column=name)
        self._alarms = alarms

    def _quantiles(self, window: Window) -> Iterator[tuple[str, str, float]]:
        baseline = self.board.baselines[window.baseline]
        if len(baseline.scores) > 1:  # a score for each class is not a single number
            return
        for arm, counts in window.of_arms.items():
            found = moved(baseline.scores[0], counts) or []
            yield from ((arm.rpartition("/")[2], name, value) for name, value in zip(QUANTILES, found, strict=False))


class _Gathered:
    """The first rows that were written, for a baseline."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.start(wanted=False)

    def start(self, *, wanted: bool) -> None:
        """Start over."""
        with self._lock:
            self.wanted, self._rows = wanted, 0
            self._parts: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []

    def add(self, outcome: Outcome) -> None:
        """Keep the rows of a batch, if they are still needed."""
        rows = outcome.predictions.rows
        if outcome.matrix.foreign is not None:
            rows = rows[~outcome.matrix.foreign[rows]]
        with self._lock:
            if self.wanted and self._rows < FIRST_EVENTS and len(rows):
                self._parts.append((outcome.matrix.values[rows], outcome.predictions.scores[rows]))
                self._rows += len(rows)

    def take(self, rows: int, columns: int) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Return the matrix and the scores of so many rows, once; None if there are not enough yet."""
        with self._lock:
            if self._rows < rows:
                return None
            parts, self._parts, self._rows = self._parts, [], 0
        mine = [each for each in parts if each[0].shape[1] == columns]
        if not mine:
            return None
        values, scores = (np.concatenate(each) for each in zip(*mine, strict=True))
        return values, scores


def _short(value: float) -> float:
    return float(f"{value:.3g}")
