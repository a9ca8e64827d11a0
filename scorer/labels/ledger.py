"""The open windows and unmatched events of one partition of the state topic.

They depend on the partition's log alone, not on the reader or the sizes of its reads. A window is closed, and its
events are dropped, when its horizon has passed by the timestamps in the log: just before a later record is applied.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scorer.labels.account import Account, BadLabels
from scorer.labels.cells import Cell, Key, Measure, cell_of
from scorer.labels.slim import SEPARATOR, Slim, Slims
from scorer.labels.table import NO_TIME, UNKNOWN, News, Rows, Table
from scorer.labels.texts import Texts

MOST_VALUES = 100  # an account has this many values of a segment, the most frequent ones; the others count as OTHER
OTHER = "(other)"
RECENT = 4  # closed windows that are kept, to publish them again
NULL = "(none)"  # the value of a segment that is null or not known yet


@dataclass(slots=True)
class Window:
    """An open window.

    opened:  the time of its first record.
    waits:   the latest arrival of one of its predictions; the horizon starts no earlier.
    bad:     the unusable labels by reason.
    """

    opened: int
    waits: int
    bad: dict[str, BadLabels]


@dataclass(frozen=True, slots=True)
class Span:
    """How time is divided, in milliseconds: the length of a window, and how long it waits after its end."""

    window: int
    horizon: int


class Ledger:
    """The events of one partition that wait for a label or a prediction, and the open windows.

    Args:
        partition: the number of the partition.
        span: how time is divided.
        measure: how quality is measured.
        fields: the segments.
    """

    def __init__(self, partition: int, span: Span, measure: Measure, fields: Sequence[str]) -> None:
        self._partition, self._span, self._measure, self._fields = partition, span, measure, tuple(fields)
        self._table, self._arms, self._segments = Table(), Texts(), Texts()
        self._windows: dict[int, Window] = {}  # by number
        self._dirty: set[int] = set()
        self._closed: list[Account] = []
        self._recent: deque[Account] = deque(maxlen=RECENT)
        self._clock = 0
        self._since = 0  # earlier windows are left to a former owner, who read more of the log
        self.upto = 0

    @property
    def events(self) -> int:
        """The number of events in memory."""
        return self._table.count

    def truncated(self, milliseconds: int) -> None:
        """Note that retention has deleted the start of the log, and that it now begins at this time."""
        self._since = milliseconds

    def take(self, slims: Slims, logged: NDArray[np.int64], upto: int) -> None:
        """Apply records.

        Args:
            slims: the records, in the order of the log.
            logged: int64 [records], the time of each in the log, Unix milliseconds.
            upto: the offset after the last one.
        """
        self.upto = upto
        arrived = np.maximum(np.maximum.accumulate(logged), self._clock)
        codes = np.array(
            [
                (self._arms if kind == Slim.PREDICTION else self._segments).code(tail) if kind != Slim.BAD_LABEL else 0
                for kind, tail in zip(slims.kinds.tolist(), slims.tails, strict=True)
            ],
            np.int32,
        )
        codes[(slims.kinds == Slim.LABEL) & (np.array([not tail for tail in slims.tails], np.bool_))] = UNKNOWN
        news = News(slims.kinds, slims.ids, np.maximum(slims.times, NO_TIME + 1), slims.numbers, codes, arrived)
        start, count = 0, len(arrived)
        while start < count:
            first = self._first_to_close()
            # A window that opens now stays open for at least a horizon, so no such window closes before `stop`.
            latest = min(first, int(arrived[start]) + self._span.horizon)
            stop = int(np.searchsorted(arrived, latest, "right"))
            if stop <= start:
                self._close(int(arrived[start]))
                continue
            self._apply(news.part(slice(start, stop)), slims.tails[start:stop])
            start = stop
        self._clock = int(arrived[-1]) if count else self._clock

    def accounts(self) -> Iterator[Account]:
        """Yield the accounts that have changed since the last call."""
        closed, self._closed = self._closed, []
        yield from closed
        dirty, self._dirty = self._dirty, set()
        chosen = [number for number in sorted(dirty) if number in self._windows and self._is_told(number)]
        yield from self._accounts(chosen, closed=False)

    def all_again(self) -> None:
        """Let the next call of `accounts` yield all open windows, and the last closed ones."""
        self._closed = [*self._recent]
        self._dirty |= self._windows.keys()

    def _apply(self, news: News, tails: Sequence[bytes]) -> None:
        touched = self._table.apply(news)
        times = touched[touched != NO_TIME]
        numbers = np.where(times >= 0, times, -1 - times) // self._span.window
        self._dirty |= set(np.unique(numbers).tolist())
        arrived = np.repeat(news.arrived, 2)[touched != NO_TIME]
        self._open(numbers, arrived, np.repeat(news.kinds == Slim.PREDICTION, 2)[touched != NO_TIME])
        for at in np.flatnonzero(news.kinds == Slim.BAD_LABEL).tolist():
            self._count_bad(int(news.arrived[at]), tails[at])

    def _open(self, numbers: NDArray[np.int64], arrived: NDArray[np.int64], predicted: NDArray[np.bool_]) -> None:
        """Open windows, and keep them open for the labels of late predictions."""
        distinct, first = np.unique(numbers, return_index=True)
        for number, at in zip(distinct.tolist(), first.tolist(), strict=True):
            self._windows.setdefault(number, Window(int(arrived[at]), 0, {}))
        late, last = np.unique(numbers[predicted][::-1], return_index=True)
        for number, latest in zip(late.tolist(), arrived[predicted][::-1][last].tolist(), strict=True):
            self._windows[number].waits = max(self._windows[number].waits, latest)

    def _count_bad(self, arrived: int, tail: bytes) -> None:
        reason, _, example = tail.decode(errors="replace").partition(SEPARATOR.decode())
        bad = self._windows[arrived // self._span.window].bad
        bad[reason] = BadLabels(bad[reason].count + 1 if reason in bad else 1, example)

    def _first_to_close(self) -> int:
        return min((self._closes_at(number) for number in self._windows), default=1 << 62)

    def _closes_at(self, number: int) -> int:
        """Return the last time in the log at which a window still takes labels."""
        return max((number + 1) * self._span.window, self._windows[number].waits) + self._span.horizon

    def _close(self, now: int) -> None:
        """Close the windows whose horizon has passed, and forget their events."""
        over = [number for number in sorted(self._windows) if self._closes_at(number) < now]
        closed = [*self._accounts([number for number in over if self._is_told(number)], closed=True)]
        self._closed += closed
        self._recent += closed
        for number in over:
            del self._windows[number]
        self._dirty -= set(over)
        self._table.keep(~np.isin(self._numbers(self._table.rows), over))

    def _is_told(self, number: int) -> bool:
        return number * self._span.window >= self._since

    def _numbers(self, rows: Rows) -> NDArray[np.int64]:
        """Return the window of each event: that of its prediction, or before there is one, of its first record."""
        return np.where(rows.scored >= 0, rows.scored, -1 - rows.scored) // self._span.window

    def _accounts(self, numbers: Sequence[int], *, closed: bool) -> Iterator[Account]:
        if not numbers:
            return
        rows = self._table.rows
        windows = self._numbers(rows)
        chosen = np.flatnonzero(np.isin(windows, numbers))
        chosen = chosen[np.argsort(windows[chosen], kind="stable")]
        begins = np.searchsorted(windows[chosen], numbers)
        ends = np.searchsorted(windows[chosen], numbers, "right")
        for number, begin, end in zip(numbers, begins.tolist(), ends.tolist(), strict=True):
            some = rows.part(chosen[begin:end])
            yield self._account(number, some, closed=closed).fitted()

    def _account(self, number: int, rows: Rows, *, closed: bool) -> Account:
        window = self._windows[number]
        predicted, labelled = rows.scored >= 0, rows.labelled != NO_TIME
        cells: dict[Key, Cell] = {}
        for arm in np.unique(rows.arms[predicted]).tolist():
            own = np.flatnonzero(predicted & (rows.arms == arm))
            name = self._arm(arm)
            for key, some in self._parts(name, own, rows.segments):
                cell = cell_of(self._measure, rows.scores[some], rows.labels[some], labelled[some])
                cells[key] = Cell.total([cells[key], cell]) if key in cells else cell
        unmatched = int((~predicted & labelled).sum())
        return Account(
            self._partition,
            number * self._span.window,
            window.opened,
            self.upto,
            closed,
            self._measure,
            cells,
            unmatched,
            dict(window.bad),
        )

    def _parts(
        self, arm: Key, own: NDArray[np.int64], segments: NDArray[np.int32]
    ) -> Iterator[tuple[Key, NDArray[np.int64]]]:
        """Yield the key and the events of an arm, then of each value of each segment in it."""
        yield arm, own
        distinct, at = np.unique(segments[own], return_inverse=True)
        for field, name in enumerate(self._fields):
            values = [self._value(code, field) for code in distinct.tolist()]
            counts = Counter[str]()
            for value, count in zip(values, np.bincount(at, minlength=len(values)).tolist(), strict=True):
                counts[value] += count
            shown = {value for value, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:MOST_VALUES]}
            values = [value if value in shown else OTHER for value in values]
            for value in sorted(set(values)):
                chosen = np.array([each == value for each in values], np.bool_)
                yield arm._replace(field=name, value=value), own[chosen[at]]

    def _arm(self, code: int) -> Key:
        if code == UNKNOWN:
            return Key(OTHER, OTHER)
        version, _, arm = self._arms.texts[code].decode(errors="replace").partition(SEPARATOR.decode())
        return Key(version, arm)

    def _value(self, code: int, field: int) -> str:
        if code == UNKNOWN:
            return NULL
        texts = self._segments.texts[code].split(SEPARATOR)
        return texts[field].decode(errors="replace") or NULL if field < len(texts) else NULL
