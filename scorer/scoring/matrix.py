"""From columns of events and features to the booster's matrix."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scorer.arrays.distinct import distinct
from scorer.arrays.kernel import Flags, Flags2, Floats, Floats2, Ints, Ints32, Singles2, entry
from scorer.batch import NO_SLOT, UNKNOWN_CATEGORY, Column, Events, Field, Found, Kind, Reason, Rejected
from scorer.plan.columns import FromEntity, FromEvent, PlanColumn
from scorer.plan.expression import Expression, Work
from scorer.plan.plan import Entity, Plan
from scorer.plan.time_parts import take_part
from scorer.scoring.codes import Codes

_EXPECTED = "which is infinite in float32; the model takes finite numbers, and NaN for missing values"


class Assembler:
    """Fills the columns of a plan.

    Args:
        plan: the source of each column.
        fields: the fields of the schema, by dotted path; the plan was checked against them (`Plan.problems`).
    """

    def __init__(self, plan: Plan, fields: Mapping[str, Field]) -> None:
        self._names = plan.names
        self._events: list[_EventColumn] = []
        self._expressions: list[tuple[int, Expression, Codes | None]] = []
        for index, column in enumerate(plan.columns):
            match column.source:
                case FromEvent(path=path) as source:
                    self._events.append(_EventColumn(index, source, fields[path], column))
                case Expression() as expression:
                    self._expressions.append((index, expression, _codes(column)))
        self._entities = [_EntityColumns(entity, plan.columns) for entity in plan.entities]

    def assemble(
        self, events: Events, found: Sequence[Found], scored: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], list[Rejected]]:
        """Make the matrix: compute in float64, then round each complete row to float32 once.

        Args:
            events: the batch.
            found: the features of each entity of the plan, in its order.
            scored: bool [rows], the rows to fill.

        Returns:
            float32 [rows, columns], all NaN in rows that are not scored and in rows with an infinity; the latter rows
            as rejected.
        """
        work = np.empty((len(self._names), events.rows))
        for column in self._events:
            column.fill(events, scored, work)
        for entity, features in zip(self._entities, found, strict=True):
            entity.fill(features, work)
        if self._expressions:
            self._evaluate(work)
        values = np.empty((events.rows, len(work)), np.float32)
        infinite = round_once(work, scored, values)
        return values, self._reject_infinities(values, work) if infinite else []

    def _evaluate(self, work: Work) -> None:
        with np.errstate(all="ignore"):
            for index, expression, codes in self._expressions:
                work[index] = expression.evaluate(work)
                if codes is not None:
                    work[index] = codes.of(work[index])

    def _reject_infinities(self, values: NDArray[np.float32], work: Work) -> list[Rejected]:
        rows, columns = np.nonzero(np.isinf(values))
        rows, first = np.unique(rows, return_index=True)
        values[rows] = np.nan
        return [
            Rejected(row, Reason.BAD_VALUE, f"column '{self._names[column]}' is {work[column, row]}, {_EXPECTED}")
            for row, column in zip(rows.tolist(), columns[first].tolist(), strict=True)
        ]


class _EventColumn:
    """A column made of an event field."""

    def __init__(self, index: int, source: FromEvent, field: Field, column: PlanColumn) -> None:
        self._index = index
        self._path = source.path
        self._default = column.default
        self._nullable = field.nullable  # of another field, only rejected rows are null
        self._numbers = _numbers(source, field)
        self._codes = _codes(column)

    def fill(self, events: Events, scored: NDArray[np.bool_], work: Work) -> None:
        column = events.columns[self._path]
        numbers = column.values if self._numbers is None else self._numbers(events, column, scored)
        work[self._index] = numbers if self._codes is None else self._codes.of(numbers)
        if self._nullable:
            np.copyto(work[self._index], self._default, where=column.null)


class _EntityColumns:
    """The columns made of one entity's features."""

    def __init__(self, entity: Entity, columns: Sequence[PlanColumn]) -> None:
        mine = [
            (index, entity.fields.index(column.source.field), column.default)
            for index, column in enumerate(columns)
            if isinstance(column.source, FromEntity) and column.source.entity == entity.name
        ]
        self._chosen = _Chosen(
            np.array([feature for _, feature, _ in mine], np.int64),
            np.array([index for index, _, _ in mine], np.int64),
            np.array([default for _, _, default in mine], np.float64),
        )
        self._coded = [(*each, codes) for each in mine if (codes := _codes(columns[each[0]])) is not None]

    def fill(self, found: Found, work: Work) -> None:
        values, absent = np.ascontiguousarray(found.values), np.ascontiguousarray(found.absent)
        gather(_Lines(found.slots, values, absent), self._chosen, work)
        for column, feature, default, codes in self._coded:
            there = (found.slots != NO_SLOT) & ~_at(absent[:, feature], found.slots)
            work[column] = np.where(there, codes.of(work[column]), default)


class _Lines(NamedTuple):
    """The features of one entity, and which line of them each row has."""

    slots: Ints32  # [rows]: a line, or NO_SLOT
    values: Floats2  # [lines, features]
    absent: Flags2  # [lines, features]


class _Chosen(NamedTuple):
    """The features of one entity that are columns of the matrix."""

    features: Ints  # [chosen]: which feature of the entity
    columns: Ints  # [chosen]: its column
    defaults: Floats  # [chosen]: its value if the feature is absent


@entry
def gather(lines: _Lines, chosen: _Chosen, work: Floats2) -> None:
    """Copy each row's features into their columns, or the columns' defaults where they are absent.

    Args:
        lines: the features.
        chosen: the features to copy, and their columns.
        work: [columns, rows], output; only the chosen columns are written.
    """
    for each in range(len(chosen.columns)):
        feature, column, default = chosen.features[each], chosen.columns[each], chosen.defaults[each]
        for row in range(len(lines.slots)):
            slot = lines.slots[row]
            there = slot != NO_SLOT and not lines.absent[slot, feature]
            work[column, row] = lines.values[slot, feature] if there else default


@entry
def round_once(work: Floats2, scored: Flags, values: Singles2) -> bool:
    """Turn columns into rows of float32.

    Args:
        work: [columns, rows].
        scored: [rows], the rows to fill; the others become NaN.
        values: [rows, columns], output.

    Returns:
        Whether any value is infinite.
    """
    infinite = False
    for row in range(len(scored)):
        for column in range(len(work)):
            value = np.float32(work[column, row]) if scored[row] else np.float32(np.nan)
            infinite |= np.isinf(value)
            values[row, column] = value
    return infinite


def _codes(column: PlanColumn) -> Codes | None:
    return Codes(column.numbers) if column.numbers else None


def _at(absent: NDArray[np.bool_], slots: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return whether the feature is absent in each row's line; the result is arbitrary for a row without one."""
    return absent[slots] if len(absent) else np.ones(len(slots), np.bool_)


_Numbers = Callable[[Events, Column, NDArray[np.bool_]], NDArray[np.float64] | NDArray[np.int64]]


def _numbers(source: FromEvent, field: Field) -> _Numbers | None:
    """Return the function that turns the values of a field into numbers; the number of a null is unspecified.

    Returns:
        The function; None if the values are numbers already.
    """
    if source.categories:
        return _index_in(source.categories)
    if source.part is not None:
        part = source.part
        return lambda _events, column, _scored: take_part(part, column)
    if field.kind in {Kind.TIME, Kind.TIMESTAMP}:
        return lambda _events, column, _scored: column.values / field.ticks
    return None


def _index_in(categories: Sequence[str]) -> _Numbers:
    index = {name.encode(): float(number) for number, name in enumerate(categories)}

    def numbers(events: Events, column: Column, scored: NDArray[np.bool_]) -> NDArray[np.float64]:
        starts, ends = np.asarray(column.starts), np.asarray(column.ends)
        slots, first = distinct(events.data, starts, ends, scored > column.null)  # and not
        spans = zip(starts[first].tolist(), ends[first].tolist(), strict=True)
        codes = [index.get(events.data[start:end].tobytes(), UNKNOWN_CATEGORY) for start, end in spans]
        return np.array([*codes, np.nan])[slots]

    return numbers
