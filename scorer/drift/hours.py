"""Totals by the hour of the week: the reference for streams whose mix follows the clock."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from scorer.drift.board import Window

HOUR, WEEK = 3_600, 168
LEAST_WEEKS = 2  # weeks that a total must cover before it is a reference
FADING = 0.75  # the factor by which a total shrinks each week, so that older weeks count less


@dataclass(frozen=True, slots=True, eq=False)
class Total:
    """The total of one hour of the week over several weeks.

    hour:   the last hour that was added, in hours since the epoch.
    weeks:  the number of weeks.
    counts: float64 [bins], the counts of the columns, then of the outputs.
    """

    hour: int
    weeks: int
    counts: NDArray[np.float64]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True)

    form: Annotated[int, Field(ge=1, le=1)]
    hour: Annotated[int, Field(ge=0, le=2**40)]
    weeks: Annotated[int, Field(ge=1, le=10_000)]
    counts: Annotated[list[Annotated[float, Field(ge=0, le=2.0**40)]], Field(min_length=1)]  # sums stay within 64 bits


class Hours:
    """The published totals, and the hour that is being added up.

    A window belongs to the hour in which it ends. When a window ends in a later hour, the earlier hour is complete and
    its total is published; the record replaces that of the same hour in the week before.
    """

    def __init__(self) -> None:
        self._totals: dict[tuple[str, int], Total] = {}
        self._open: dict[str, tuple[int, NDArray[np.int64]]] = {}
        self._complete: dict[str, Total] = {}  # totals to publish, by the name of their record

    def heard(self, name: str, document: object) -> None:
        """Take the record of a total, whose name is BASELINE/HOUR."""
        baseline, _, number = name.partition("/")
        try:
            form = _Form.model_validate(document)
        except ValidationError:
            return
        if number == str(form.hour % WEEK):
            self._totals[baseline, form.hour % WEEK] = Total(form.hour, form.weeks, np.array(form.counts))
            if (mine := self._complete.get(name)) is not None and mine.hour <= form.hour:
                del self._complete[name]

    def add(self, window: "Window") -> None:
        """Add a window to the total of its hour."""
        hour = int(window.ended // HOUR)
        counts = np.concatenate([window.counts, window.scores])
        before, total = self._open.get(window.baseline, (hour, np.zeros(0, np.int64)))
        if hour == before:
            self._open[window.baseline] = hour, total + counts if len(total) else counts
            return
        if hour > before and len(total):
            self._finish(window.baseline, before, total)
        self._open[window.baseline] = hour, counts

    def reference(self, baseline: str, seconds: float, least: float) -> NDArray[np.int64] | None:
        """Return the counts [bins] of earlier weeks at this hour; None if there are not enough.

        Args:
            baseline: the id of the baseline, whose bins the counts have.
            seconds: the time, in Unix seconds.
            least: the smallest number of rows.
        """
        hour = int(seconds // HOUR)
        total = self._totals.get((baseline, hour % WEEK))
        if total is None or total.weeks < LEAST_WEEKS or total.hour >= hour:
            return None
        counts = np.floor(total.counts).astype(np.int64)
        return counts if counts.sum() >= least and math.isfinite(float(total.counts.sum())) else None

    def due(self) -> Iterator[tuple[str, dict[str, object]]]:
        """Yield the totals of complete hours that are not published yet, by BASELINE/HOUR."""
        for name, total in list(self._complete.items()):
            counts = [round(each, 2) for each in total.counts.tolist()]
            yield name, {"form": 1, "hour": total.hour, "weeks": total.weeks, "counts": counts}

    def _finish(self, baseline: str, hour: int, counts: NDArray[np.int64]) -> None:
        before = self._totals.get((baseline, hour % WEEK))
        if before is not None and before.hour >= hour:
            return  # another replica has published it
        if before is None or len(before.counts) != len(counts):
            total = Total(hour, 1, counts.astype(np.float64))
        else:
            total = Total(hour, before.weeks + 1, before.counts * FADING + counts)
        self._complete[f"{baseline}/{hour % WEEK}"] = total
