"""The account of a window that is published: sums by version, arm and segment, and counts of unusable labels."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from scorer.labels.cells import Cell, Key, Measure, finite, whole
from scorer.labels.pairs import MOST_SHIFT
from scorer.labels.task import Task

KIND = "quality"  # the kind of the records in the monitor topic
MOST_PAIRS = 4_096  # distinct scores in a record, counted for each cell
MOST_CELLS = 2_000
LATEST = 253_402_300_799_999  # the last millisecond that has a date


@dataclass(frozen=True, slots=True)
class BadLabels:
    """The labels that cannot be used for one reason."""

    count: int
    example: str  # the position of the last one, and its fault


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """The account of one window in one partition of the state topic; accounts of a window add up over partitions.

    partition: the partition; -1 in a total.
    start:     the time at which the window begins, Unix milliseconds.
    opened:    the time of the window's first record in the partition's log. If predictions arrive after the window was
               closed, it opens again, and this tells the two accounts apart.
    upto:      the account covers the records of the partition below this offset.
    closed:    whether the window takes no more labels.
    measure:   how quality is measured.
    cells:     sums over the predictions that were made in the window.
    unmatched: the number of labels without a prediction that arrived in the window.
    bad:       the unusable labels that arrived in the window, by reason.
    """

    partition: int
    start: int
    opened: int
    upto: int
    closed: bool
    measure: Measure
    cells: Mapping[Key, Cell] = field(default_factory=dict)
    unmatched: int = 0
    bad: Mapping[str, BadLabels] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its record, within the kind."""
        return f"{self.partition}-{self.start}-{self.opened}"

    def fitted(self) -> "Account":
        """Return the account with scores rounded until at most MOST_PAIRS distinct ones are left."""

        def fits(shift: int) -> bool:
            return sum(cell.pairs.distinct(shift) for cell in self.cells.values()) <= MOST_PAIRS

        shift = bisect_left(range(MOST_SHIFT), True, key=fits)  # noqa: FBT003  the first that fits
        return replace(self, cells={key: cell.coarser(shift) for key, cell in self.cells.items()})

    def document(self) -> dict[str, Any]:
        """Return the document of its record."""
        return {
            "partition": self.partition,
            "start": self.start,
            "opened": self.opened,
            "upto": self.upto,
            "closed": self.closed,
            "task": self.measure.task.value,
            "probabilities": self.measure.probabilities,
            "threshold": self.measure.threshold,
            "unmatched": self.unmatched,
            "bad": {reason: [labels.count, labels.example] for reason, labels in self.bad.items()},
            "cells": [[*key, cell.document()] for key, cell in self.cells.items()],
        }

    @classmethod
    def read(cls, document: Any) -> "Account | None":  # noqa: ANN401  JSON
        """Return the account in a record; None if it is not one, or if another version of scorer wrote it."""
        try:
            return cls._read(document)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError):
            return None

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Self:
        measure = Measure(Task(document["task"]), bool(document["probabilities"]), finite(document["threshold"]))
        cells = {Key(*map(str, key)): Cell.read(cell, measure) for *key, cell in document["cells"][:MOST_CELLS]}
        return cls(
            whole(document["partition"]),
            whole(document["start"], LATEST),
            whole(document["opened"]),
            whole(document["upto"]),
            bool(document["closed"]),
            measure,
            cells,
            whole(document["unmatched"]),
            {str(reason): BadLabels(whole(count), str(text)) for reason, (count, text) in document["bad"].items()},
        )


def total(accounts: Iterable[Account]) -> Account | None:
    """Return the sum of accounts, whatever their order; None if there are none.

    Accounts of another task than the last one's, such as those of an earlier model, cannot be added and are left out.
    """
    ordered = sorted(accounts, key=lambda each: (each.start, each.partition, each.opened))
    if not ordered:
        return None
    ordered = [each for each in ordered if each.measure.like(ordered[-1].measure)]
    cells, bad = defaultdict[Key, list[Cell]](list), dict[str, BadLabels]()
    for account in ordered:
        for key, cell in account.cells.items():
            cells[key].append(cell)
        for reason, labels in account.bad.items():
            bad[reason] = BadLabels(labels.count + (bad[reason].count if reason in bad else 0), labels.example)
    return Account(
        partition=-1,
        start=ordered[0].start,
        opened=min(account.opened for account in ordered),
        upto=0,
        closed=all(account.closed for account in ordered),
        measure=ordered[-1].measure,
        cells={key: Cell.total(cells[key]) for key in sorted(cells)},
        unmatched=sum(account.unmatched for account in ordered),
        bad=bad,
    )
