"""The accounts of a log of slim records, one record after the other, with dicts: what the ledger has to agree with."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from scorer.labels.account import Account
from scorer.labels.ledger import NULL
from scorer.labels.slim import Slim


@dataclass(frozen=True)
class Line:
    """A slim record and its time in the log."""

    kind: Slim
    event: int
    time: int
    number: float
    tail: bytes
    logged: int


@dataclass
class Event:
    """What is known of an event."""

    heard: int
    scored: int | None = None
    score: float = 0.0
    arm: bytes = b""
    labelled: int | None = None
    label: float = 0.0
    segments: bytes | None = None


Summary = dict[str, Any]


@dataclass
class Plain:
    """The state of a partition."""

    window: int
    horizon: int
    fields: tuple[str, ...]
    events: dict[int, Event] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)
    bad: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    told: dict[str, Summary] = field(default_factory=dict)
    clock: int = 0

    def take(self, lines: Iterable[Line]) -> dict[str, Summary]:
        """Apply lines, and return the last summary of each window by the name of its account."""
        for line in lines:
            self.clock = max(self.clock, line.logged)
            self._close()
            self._apply(line)
        for number in self.opened:
            self._tell(number, closed=False)
        return self.told

    def _apply(self, line: Line) -> None:
        if line.kind is Slim.BAD_LABEL:
            number = self.clock // self.window
            self.opened.setdefault(number, self.clock)
            self.bad[number][line.tail.partition(b"\0")[0].decode()] += 1
            return
        event = self.events.get(line.event)
        if event is not None:
            self.opened.setdefault(self._number(event), self.clock)
            if line.kind is Slim.PREDICTION:
                self.waits[self._number(event)] = self.clock
        event = self.events.setdefault(line.event, Event(self.clock))
        if line.kind is Slim.PREDICTION:
            event.scored, event.score, event.arm = line.time, line.number, line.tail
        elif line.kind is Slim.LABEL:
            if event.labelled is None or line.time >= event.labelled:
                event.labelled, event.label = line.time, line.number
            event.segments = line.tail or event.segments
        else:
            event.segments = line.tail
        self.opened.setdefault(self._number(event), self.clock)
        if line.kind is Slim.PREDICTION:
            self.waits[self._number(event)] = self.clock

    def _number(self, event: Event) -> int:
        return (event.heard if event.scored is None else event.scored) // self.window

    def _close(self) -> None:
        for number in list(self.opened):
            if max((number + 1) * self.window, self.waits.get(number, 0)) + self.horizon < self.clock:
                self._tell(number, closed=True)
                self.events = {name: each for name, each in self.events.items() if self._number(each) != number}
                del self.opened[number]
                self.waits.pop(number, None)
                self.bad.pop(number, None)

    def _tell(self, number: int, *, closed: bool) -> None:
        own = [event for event in self.events.values() if self._number(event) == number]
        cells: dict[tuple[str, ...], list[Event]] = defaultdict(list)
        for event in own:
            if event.scored is None:
                continue
            arm = tuple(event.arm.decode().split("\0"))
            cells[(*arm, "", "")].append(event)
            values = (event.segments or b"").decode().split("\0")
            for at, name in enumerate(self.fields):
                value = values[at] if at < len(values) and values[at] else NULL
                cells[(*arm, name, value)].append(event)
        self.told[f"0-{number * self.window}-{self.opened[number]}"] = {
            "closed": closed,
            "unmatched": sum(event.scored is None and event.labelled is not None for event in own),
            "bad": dict(self.bad[number]),
            "cells": {key: _summary(some) for key, some in cells.items()},
        }


def _summary(events: list[Event]) -> Summary:
    labelled = [event for event in events if event.labelled is not None]
    pairs = Counter((event.score, event.label) for event in labelled)
    return {"predictions": len(events), "labelled": len(labelled), "pairs": dict(pairs)}


def summary(account: Account, scores: list[float]) -> Summary:
    """Return the same of an account.

    Args:
        account: the account.
        scores: all scores that there can be, ascending.
    """
    cells = {}
    for key, cell in account.cells.items():
        assert cell.pairs.shift == 0
        known = {int(pairs.keys[0]): score for score, pairs in _keys(scores)}
        pairs = Counter[tuple[float, float]]()
        for code, *counts in zip(*(column.tolist() for column in cell.pairs.columns), strict=True):
            pairs.update({(known[code], float(label)): count for label, count in enumerate(counts) if count})
        cells[tuple(key)] = {"predictions": cell.predictions, "labelled": cell.labelled, "pairs": dict(pairs)}
    return {
        "closed": account.closed,
        "unmatched": account.unmatched,
        "bad": {reason: labels.count for reason, labels in account.bad.items()},
        "cells": cells,
    }


def _keys(scores: list[float]) -> list[tuple[float, Any]]:
    import numpy as np  # noqa: PLC0415  used here alone

    from scorer.labels.pairs import Pairs  # noqa: PLC0415  the same

    return [(score, Pairs.of(np.array([score], np.float32), np.array([True]))) for score in scores]
