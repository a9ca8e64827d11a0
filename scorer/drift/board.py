"""Windows of counts over all replicas. Every reader of the log gets the same ones, since all read it in one order."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scorer.drift.baseline import Baseline, Layout, baseline_problems, parse_baseline
from scorer.drift.compare import compare
from scorer.drift.hours import Hours
from scorer.drift.limits import INDEPENDENT, MONTH_SECONDS, Limits
from scorer.drift.slices import BASELINES, COUNTS, HOURS, Slice, read_slice
from scorer.drift.tracks import Tracks
from scorer.errors import Misconfigured

WAIT_SECONDS = 1.0  # how long a full window waits for partitions that were in the previous one
KEPT = 240  # windows that are kept to be shown
RATE_WINDOWS = 100  # the last windows, from which the number of windows per month is estimated

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules by which windows end and are compared.

    events:       the number of events that fill a window.
    seconds:      the longest time of a window.
    limits:       how the limits of PSI are chosen.
    reference:    what windows are compared with: `baseline`, `hour-of-week` or `last-windows`.
    last_windows: the number of windows in the reference `last-windows`.
    """

    events: int
    seconds: float
    limits: Limits
    reference: str = "baseline"
    last_windows: int = 20


@dataclass(frozen=True, slots=True)
class Column:
    """The distance of one column, or one output, of a window from the reference.

    psi:     the population stability index.
    js:      the Jensen-Shannon divergence, in bits.
    limit:   the limit of PSI.
    above:   whether PSI is above the limit.
    missing: the share of missing values.
    unknown: the share of unknown categories.
    outside: the share of values below the minimum or above the maximum of the baseline.
    """

    name: str
    psi: float
    js: float
    limit: float
    above: bool
    missing: float
    unknown: float
    outside: float


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A window of the group that has ended.

    number:    its number among the windows of its baseline in the log, from 1.
    began:     the time of its first record, Unix seconds.
    ended:     the time of its last record.
    events:    the number of events.
    baseline:  the id of the baseline.
    reference: what it was compared with: `baseline`, `hour-of-week` or `last-windows`.
    columns:   the distances of the model's columns, then of its outputs.
    arms:      the distances of each arm's outputs, by version and name.
    counts:    int64 [bins], the counts of the columns.
    scores:    int64 [bins], the counts of the outputs of all arms.
    of_arms:   int64 [bins], the counts of each arm's outputs.
    """

    number: int
    began: float
    ended: float
    events: int
    baseline: str
    reference: str
    columns: tuple[Column, ...]
    arms: dict[str, tuple[Column, ...]]
    counts: Counts
    scores: Counts
    of_arms: dict[str, Counts]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A column that drifts.

    column: the column's name.
    psi:    its PSI in the last window.
    limit:  its limit in the last window.
    since:  the end of the window that raised the alarm, Unix seconds.
    window: the number of that window.
    """

    column: str
    psi: float
    limit: float
    since: float
    window: int


@dataclass(slots=True)
class _Open:
    """A window that is being filled."""

    began: float
    ended: float
    slices: list[Slice] = field(default_factory=list)

    @property
    def events(self) -> int:
        return sum(each.events for each in self.slices)

    @property
    def places(self) -> set[tuple[str, int]]:
        return {(each.topic, each.partition) for each in self.slices}


class _Line:
    """The windows of one baseline."""

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline
        self.open: _Open | None = None
        self.windows: deque[Window] = deque(maxlen=KEPT)
        self.recent: deque[Counts] = deque()  # the counts of the reference `last-windows`
        self.alarms: dict[str, Alarm] = {}
        self.number = 0
        self.places: set[tuple[str, int]] = set()  # the partitions in the last window

    @property
    def month(self) -> float:
        """The windows per month, rounded to two digits so that the limits that follow from it rarely change."""
        last = list(self.windows)[-RATE_WINDOWS:]
        if not last or last[-1].ended <= last[0].ended:
            return MONTH_SECONDS
        return float(f"{MONTH_SECONDS * (len(last) - 1) / (last[-1].ended - last[0].ended):.1e}")


class Board:
    """Adds up the counts of all replicas in the order of the log, and compares each full window with a reference.

    Args:
        rules: when windows end, and what they are compared with.
        closed: called with each window as it ends.

    Attributes:
        tracks: which offsets were counted.
        baselines: by id.
    """

    def __init__(self, rules: Rules, closed: Callable[[Window], None] = lambda _: None) -> None:
        self._rules, self._closed = rules, closed
        self.began()

    def began(self) -> None:
        """Forget everything: the log is read from its first record."""
        self.tracks, self.hours = Tracks(), Hours()
        self.baselines: dict[str, Baseline] = {}
        self.told: dict[str, float] = {}  # when each baseline was last published, Unix seconds
        self.current = ""  # the id of the baseline of the last slice
        self._lines: dict[str, _Line] = {}

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        """Take a record; ignore other kinds and unknown forms."""
        if kind == COUNTS and document is not None and (found := read_slice(document)) is not None:
            self._add(found, seconds)
        elif kind == BASELINES and document is not None:
            self._take(name, document, seconds)
        elif kind == HOURS:
            self.hours.heard(name, document)

    @property
    def baseline(self) -> Baseline | None:
        """The baseline of the last slice."""
        return self.baselines.get(self.current)

    def of_stream(self, columns: Mapping[str, int], outputs: int) -> Baseline | None:
        """Return the baseline made from the first events, for a model with these columns; None without one.

        If two replicas made one at the same time, all use the one with the smaller id, in whatever order the log has
        the two after compaction.
        """
        fitting = [
            each
            for each in self.baselines.values()
            if each.source == "stream" and not baseline_problems(each, columns, outputs, "")
        ]
        return min(fitting, key=lambda each: each.id, default=None)

    @property
    def windows(self) -> tuple[Window, ...]:
        """The last windows of the current baseline, the newest last."""
        line = self._lines.get(self.current)
        return tuple(line.windows) if line else ()

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """The columns that drift now, by the current baseline."""
        line = self._lines.get(self.current)
        return tuple(line.alarms.values()) if line else ()

    @property
    def filled(self) -> int:
        """The number of events in the open window."""
        line = self._lines.get(self.current)
        return line.open.events if line and line.open else 0

    def _take(self, name: str, document: object, seconds: float) -> None:
        try:
            found = parse_baseline(document)
        except Misconfigured:
            return
        if found.id == name:
            self.baselines.setdefault(name, found)
            self.told[name] = max(seconds, self.told.get(name, 0.0))

    def _add(self, found: Slice, seconds: float) -> None:
        replaced = self.tracks.add(found)
        baseline = self.baselines.get(found.baseline)
        if baseline is None or not _fits(found, baseline):
            return
        line = self._lines.setdefault(found.baseline, _Line(baseline))
        self.current = found.baseline
        if line.open is None:
            line.open = _Open(seconds, seconds)
        window = line.open
        if replaced:
            window.slices = [each for each in window.slices if (each.topic, each.partition, each.first) not in replaced]
        window.slices.append(found)
        window.ended = seconds
        if self._is_full(line, window):
            line.open, line.places = None, window.places
            if window.events:
                self._close(line, window)

    def _is_full(self, line: _Line, window: _Open) -> bool:
        """Whether a window ends here. With enough events it still waits a moment for partitions of the previous window.

        Otherwise a single slice could fill a window, and partitions may differ, since they have different keys.
        """
        took = window.ended - window.began
        if window.events < self._rules.events:
            return took >= self._rules.seconds
        return took >= min(WAIT_SECONDS, self._rules.seconds) or line.places <= window.places

    def _close(self, line: _Line, window: _Open) -> None:
        counts = np.sum([each.counts for each in window.slices], axis=0)
        arms: dict[str, Counts] = {}
        for each in window.slices:
            for name, scores in each.arms.items():
                arms[name] = arms[name] + scores if name in arms else scores
        scores = np.sum(list(arms.values()), axis=0)
        reference, base = self._reference(line, window, len(counts) + len(scores))
        judged = self._judged(line, np.concatenate([counts, scores]), base)
        if len(arms) == 1 and reference == "baseline":  # its scores are those of all arms, which are compared already
            of_arms = {name: judged[len(line.baseline.columns) :] for name in arms}
        else:
            of_arms = {name: self._arm(line, each) for name, each in arms.items()}
        line.number += 1
        times = line.number, window.began, window.ended, window.events
        closed = Window(*times, line.baseline.id, reference, judged, of_arms, counts, scores, arms)
        line.windows.append(closed)
        line.recent.append(np.concatenate([counts, scores]))
        while len(line.recent) > self._rules.last_windows:
            line.recent.popleft()
        self.hours.add(closed)
        self._alarm(line, closed)
        self._closed(closed)

    def _reference(self, line: _Line, window: _Open, bins: int) -> tuple[str, Counts]:
        """Return the name and the counts [bins] of the reference of a window."""
        if self._rules.reference == "last-windows" and len(line.recent) == self._rules.last_windows:
            return "last-windows", np.sum(line.recent, axis=0)
        if self._rules.reference == "hour-of-week":
            found = self.hours.reference(line.baseline.id, window.ended, INDEPENDENT * self._rules.events)
            if found is not None and len(found) == bins:
                return "hour-of-week", found
        return "baseline", np.concatenate([line.baseline.layout.counts, line.baseline.score_layout.counts])

    def _judged(self, line: _Line, counts: Counts, base: Counts) -> tuple[Column, ...]:
        columns, outputs = line.baseline.layout, line.baseline.score_layout
        starts = np.concatenate([columns.bins.starts, outputs.bins.starts[1:] + len(columns)])
        distance = compare(starts, counts, base)
        rows, all_rows = (np.add.reduceat(each, starts[:-1]) for each in (counts, base))
        shares = [
            np.concatenate([of(columns, counts[: len(columns)]), of(outputs, counts[len(columns) :])])
            / np.maximum(rows, 1)
            for of in (_missing, Layout.unknowns, Layout.outside)
        ]
        limits = self._limits(line, distance.bins, rows, all_rows)
        found = zip(
            (*columns.names, *outputs.names),
            distance.psi.tolist(),
            distance.js.tolist(),
            limits,
            *(each.tolist() for each in shares),
            strict=True,
        )
        return tuple(
            Column(name, psi, js, limit, psi > limit, missing, unknown, outside)
            for name, psi, js, limit, missing, unknown, outside in found
        )

    def _limits(self, line: _Line, bins: Counts, rows: Counts, reference: Counts) -> list[float]:
        limits, month = self._rules.limits, line.month
        numbers = zip(bins.tolist(), rows.tolist(), reference.tolist(), strict=True)
        alphas = {sure: limits.alpha(len(bins), month, independent=sure) for sure in (True, False)}
        return [
            limits.limit(alphas[all_rows >= INDEPENDENT * events], count, events, all_rows)
            for count, events, all_rows in numbers
        ]

    def _arm(self, line: _Line, scores: Counts) -> tuple[Column, ...]:
        """Compare the scores of one arm, always with the baseline."""
        outputs = line.baseline.score_layout
        starts, rows = outputs.bins.starts, np.add.reduceat(scores, outputs.bins.starts[:-1])
        distance = compare(starts, scores, outputs.counts)
        all_rows = np.add.reduceat(outputs.counts, starts[:-1])
        limits = self._limits(line, distance.bins, rows, all_rows)
        missing, outside = (each / np.maximum(rows, 1) for each in (_missing(outputs, scores), outputs.outside(scores)))
        return tuple(
            Column(name, psi, js, limit, psi > limit, none, 0.0, out)
            for name, psi, js, limit, none, out in zip(
                outputs.names,
                distance.psi.tolist(),
                distance.js.tolist(),
                limits,
                missing.tolist(),
                outside.tolist(),
                strict=True,
            )
        )

    def _alarm(self, line: _Line, window: Window) -> None:
        limits = self._rules.limits
        last = list(line.windows)[-limits.of :]
        often = Counter(each.name for other in last for each in other.columns if each.above)
        for column in window.columns:
            if often[column.name] < limits.windows:
                line.alarms.pop(column.name, None)
                continue
            before = line.alarms.get(column.name)
            if column.above or before:
                since, number = (before.since, before.window) if before else (window.ended, window.number)
                line.alarms[column.name] = Alarm(column.name, column.psi, column.limit, since, number)


def _missing(layout: Layout, counts: Counts) -> Counts:
    return counts[layout.missing]


def _fits(found: Slice, baseline: Baseline) -> bool:
    """Whether a slice has the bins of its baseline, and has scores unless it has no events."""
    scores = len(baseline.score_layout)
    sized = len(found.counts) == len(baseline.layout) and all(len(each) == scores for each in found.arms.values())
    return sized and (bool(found.arms) or not found.events)
