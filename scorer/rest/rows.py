"""Reads the rows of a request. Each is an event, which goes through the plan, or the values of the model's columns."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from scorer.avro import BadEvent, Converter, Schema
from scorer.batch import Reason
from scorer.errors import suggestion
from scorer.plan import Entity
from scorer.rest.messages import shown, wrong
from scorer.serving.lineup import Lineup

FEATURES = "features"  # beside the fields of an event: entity -> feature -> number

Inline = Mapping[str, Mapping[str, float | None]]

_PLAIN = {int, float, type(None)}
_LIMIT = 2.0**128 - 2.0**103  # from here on, a float32 is infinite


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be scored.

    field:    the field, column or feature that is wrong; empty if that is not known.
    value:    what it has, as JSON.
    expected: what it should have.
    """

    reason: Reason
    detail: str
    field: str = ""
    value: str = ""
    expected: str = ""

    def document(self, row: int) -> dict[str, object]:
        """Return it as a member of a problem document."""
        document: dict[str, object] = {"row": row, "reason": self.reason.value, "detail": self.detail}
        if self.field:
            document |= {"field": self.field, "value": self.value, "expected": self.expected}
        return document


@dataclass(slots=True)
class Rows:
    """The rows of a request, all of one kind.

    bodies: events as Avro, empty where a row is bad; no items if the rows are values.
    inline: the features that came with each event; None if all are looked up.
    values: float32 [rows, columns], the model's columns; None if the rows are events.
    bad:    the rows that cannot be scored.
    """

    bodies: list[bytes] = field(default_factory=list)
    inline: list[Inline | None] = field(default_factory=list)
    values: NDArray[np.float32] | None = None
    bad: dict[int, Fault] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.bodies) if self.values is None else len(self.values)

    def complete(self, entities: Iterable[str]) -> bool:
        """Whether every event brought the features of all entities, so that nothing is looked up."""
        names = set(entities)
        return all(each is not None and names <= each.keys() for each in self.inline)


class RowReader:
    """Reads the rows of requests for what is served at the moment."""

    def __init__(self, lineup: Lineup) -> None:
        schema: Schema = lineup.champion.schema
        self._converter, self._entities = Converter(schema), {entity.name: entity for entity in lineup.entities}
        self._columns = lineup.champion.columns
        self._at = {name: at for at, name in enumerate(self._columns)}
        fields = {member.name for member in schema.record.members}
        self._inline = FEATURES not in fields  # otherwise the name is that of a field
        # Rows with all names of the model's columns are values, unless they are all fields of the event as well.
        self._by_name = self._at.keys() if self._at.keys() - fields else frozenset[str]()

    def read(self, rows: Sequence[Any]) -> Rows:
        """Return rows that are ready to be scored.

        Args:
            rows: each an object, which is an event or has the model's columns by name, or an array of the model's
                columns in order.

        Raises:
            Refused: the rows are not all of one kind.
        """
        if rows and isinstance(rows[0], Mapping) and rows[0].keys() == self._by_name:
            return self._values([self._ordered(row) for row in rows])
        if rows and isinstance(rows[0], list):
            return self._values(rows)
        return self._events(rows)

    def _events(self, rows: Sequence[Any]) -> Rows:
        read = Rows()
        for number, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise wrong(f"row {number}", row, f"an object, as all rows{' are' if number else ' of events are'}")
            event, inline = row, None
            try:
                if self._inline and FEATURES in row:
                    inline = self._given(row[FEATURES])
                    event = {name: value for name, value in row.items() if name != FEATURES}
                body = self._converter.to_avro(event, "")
            except BadEvent as error:
                body, read.bad[number] = b"", _fault(error)
            read.bodies.append(body)
            read.inline.append(inline)
        return read

    def _given(self, features: object) -> Inline:
        """Check the features that came with an event.

        Raises:
            BadEvent: they are not entity -> feature -> number, or the plan does not have them.
        """
        if not isinstance(features, Mapping):
            raise BadEvent(FEATURES, shown(features), "expected an object: entity -> feature -> number")
        for name, values in features.items():
            entity = self._entities.get(name)
            if entity is None:
                raise BadEvent(f"{FEATURES}.{name}", "the plan has no such entity", _known(name, self._entities))
            if values is not None and not isinstance(values, Mapping):
                raise BadEvent(f"{FEATURES}.{name}", shown(values), "expected an object: feature -> number, or null")
            for feature, value in (values or {}).items():
                self._check_feature(entity, feature, value)
        return {name: values or {} for name, values in features.items()}

    @staticmethod
    def _check_feature(entity: Entity, feature: str, value: object) -> None:
        where = f"{FEATURES}.{entity.name}.{feature}"
        if feature not in entity.fields:
            raise BadEvent(where, "the plan has no such feature", _known(feature, entity.fields))
        if value is not None and _number(value) is None:
            raise BadEvent(where, shown(value), "expected a number or null")

    def _ordered(self, row: object) -> Any:  # noqa: ANN401  as it came
        if not isinstance(row, Mapping) or row.keys() != self._by_name:
            return row
        return [row[name] for name in self._columns]

    def _values(self, rows: Sequence[Any]) -> Rows:
        """Return rows of the model's columns; null is missing, and so is NaN."""
        size = len(self._columns)
        if all(type(row) is list and len(row) == size and _PLAIN.issuperset(map(type, row)) for row in rows):
            with suppress(OverflowError):  # of an integer: it is found below
                matrix = np.array(rows, np.float64)  # None becomes NaN
                if not (np.abs(matrix) >= _LIMIT).any():
                    return Rows(values=matrix.astype(np.float32))
        values, bad = np.full((len(rows), size), np.nan, np.float32), dict[int, Fault]()
        for number, row in enumerate(rows):
            if not isinstance(row, list):
                raise wrong(f"row {number}", row, "an array of the model's columns, as the rows before")
            try:
                values[number] = self._line(row)
            except BadEvent as error:
                bad[number] = _fault(error)
        return Rows(values=values, bad=bad)

    def _line(self, row: Sequence[Any]) -> list[float]:
        if len(row) != len(self._columns):
            expected = f"expected {len(self._columns)}, one for each column of the model"
            raise BadEvent("the row", f"{len(row)} values", expected)
        line = [math.nan if value is None else _number(value) for value in row]
        for at, value in enumerate(line):
            if value is None:
                raise BadEvent(
                    self._columns[at], shown(row[at]), "expected a finite number that a float32 holds, or null"
                )
        return cast("list[float]", line)


def _number(value: object) -> float | None:
    """Return a value as a number that a float32 holds; None if it is not one. NaN and true are numbers."""
    if not isinstance(value, (int, float)) and value != "NaN":
        return None
    try:
        number = float(value)  # a text is NaN
    except OverflowError:
        return None
    return number if math.isnan(number) or abs(number) < _LIMIT else None


def _fault(error: BadEvent) -> Fault:
    (problem,) = error.problems
    where = problem.where.removeprefix(": ")
    detail = f"{where}: {problem.what}" + (f"; {problem.expected}" if problem.expected else "")
    expected = problem.expected.removeprefix("expected ")
    return Fault(Reason.BAD_VALUE, detail.removeprefix(": "), where, problem.what, expected)


def _known(name: str, known: Iterable[str]) -> str:
    names = list(known)
    return suggestion(name, names) or f"expected {', '.join(names) or 'none'}"
