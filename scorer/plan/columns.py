"""The sources of the model's columns, and how to read them from a plan's form."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scorer.batch import Field, Kind
from scorer.documents.faults import TEXT
from scorer.errors import Problem, did_you_mean
from scorer.plan.expression import ALLOWED, Expression
from scorer.plan.form import ColumnForm, Form, column_step, place
from scorer.plan.time_parts import parts_of

Name = TypeVar("Name", str, str | int)

_MOST = float(np.finfo(np.float32).max)
_SOURCES = "expected exactly one of `event`, `entity` with `field`, `expression`"

_ALLOWED_WITH = {  # by key: the sources that it may accompany, and advice
    "part": (("event",), "only a date or time of the event has parts"),
    "default": (("event", "entity"), "give a default to the columns that the expression uses"),
}


@dataclass(frozen=True, slots=True)
class FromEvent:
    """A column from an event field: its number, the index of its text in `categories`, or a part of its time.

    Numeric categories are in `PlanColumn.numbers`, since the number of the field is available anyway.
    """

    path: str
    categories: tuple[str, ...] = ()
    part: str | None = None

    def problems(
        self, fields: Mapping[str, Field], why_not: Callable[[str], str], where: str, *, numbers: bool = False
    ) -> list[Problem]:
        """Return why this column cannot be read from an event schema; see `Draft.schema_problems`.

        Args:
            fields: the usable fields of the schema, by dotted path.
            why_not: returns why any other path cannot be used.
            where: the column's place in the plan.
            numbers: whether the column has numeric categories.
        """
        if self.path not in fields:
            return [unknown_field(where, self.path, why_not)]
        misfit = self._misfit(fields[self.path].kind, numbers=numbers)
        return [Problem(where, f"'{self.path}' {misfit[0]}", misfit[1])] if misfit else []

    def _misfit(self, kind: Kind, *, numbers: bool) -> tuple[str, str] | None:
        name, text = kind.name.lower(), kind in {Kind.TEXT, Kind.ENUM}
        if kind is Kind.BYTES:
            return "is of kind bytes, which is not a number", "use another field"
        if self.part is not None:
            had = parts_of(kind)
            if self.part not in had:
                what = f"is of kind {name}, which has no {self.part}"
                return what, f"its parts are {', '.join(had)}" if had else "parts are of a date, a time or a timestamp"
        elif text and numbers:
            what = f"is of kind {name}, and its categories are numbers"
            return what, "put them in quotes: categories: ['101', '205']"
        elif text and not self.categories:
            return f"is of kind {name}, which is not a number", "give its `categories`"
        elif self.categories and not text:
            what = f"is of kind {name}, and its categories are text"
            return what, "give whole numbers without quotes, or use a string or an enum"
        return None


def unknown_field(where: str, path: str, why_not: Callable[[str], str]) -> Problem:
    """Return the problem of a column whose event field cannot be used; see `Draft.schema_problems`."""
    return Problem(where, why_not(path), "expected a scalar field of the event")


@dataclass(frozen=True, slots=True)
class FromEntity:
    """A column from one feature of an entity."""

    entity: str
    field: str


Source = FromEvent | FromEntity | Expression


@dataclass(frozen=True, slots=True)
class PlanColumn:
    """One column of the model.

    name:    the name in the model and in expressions.
    source:  where its values come from.
    default: the value for a null in the event, an absent feature or a missing entity; NaN unless the plan sets it.
    numbers: numeric categories: the column contains the index of the number, or NaN for any other number. Empty if the
             column contains the number itself.
    """

    name: str
    source: Source
    default: float
    numbers: tuple[int, ...] = ()

    @property
    def categories(self) -> tuple[str | int, ...]:
        """The categories, texts or whole numbers, whose index the column contains; empty if it has no categories."""
        return self.source.categories if isinstance(self.source, FromEvent) and self.source.categories else self.numbers


def read_columns(form: Form, where: str) -> tuple[list[tuple[int, PlanColumn]], list[Problem]]:
    """Return the valid columns of a plan with their indexes, and the problems of the others."""
    reader = _Reader(form, where)
    columns = [(index, reader.column(index, item)) for index, (_, item) in enumerate(form.columns) if item is not None]
    return [(index, column) for index, column in columns if column is not None], reader.problems


def duplicates(names: Iterable[Name]) -> list[Name]:
    """Return the names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1]


class _Reader:
    """Reads columns one by one, and collects their problems."""

    def __init__(self, form: Form, where: str) -> None:
        self.problems: list[Problem] = []
        self._where = where
        self._entities = dict(form.entities)
        self._names = [name or "" for name, _ in form.columns]

    def column(self, index: int, form: ColumnForm) -> PlanColumn | None:
        first = self._names.index(form.name)
        if first != index:
            what = f"'{form.name}' is also the name of columns[{first}]"
            self._problem(index, "name", what, "expected distinct names")
        default = math.nan if form.default is None else form.default
        if abs(default) > _MOST:
            self._problem(index, "default", f"found {default}, which float32 cannot hold", "expected a number or .nan")
        numbers, texts = self._categories(index, form)
        if numbers and not math.isnan(default) and default not in range(len(numbers)):
            what = f"found {default:g}, which is not the index of a category"
            self._problem(index, "default", what, f"expected an index, 0 to {len(numbers) - 1}, or .nan")
        source = self._source(index, form, texts)
        return None if source is None else PlanColumn(form.name, source, default, numbers)

    def _categories(self, index: int, form: ColumnForm) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return the column's numeric categories and its text categories; one of them is empty."""
        given = form.categories or []
        for name in duplicates(given):
            self._problem(index, "categories", f"duplicate '{name}'", "expected distinct categories")
        texts = tuple(each for each in given if isinstance(each, str))
        numbers = tuple(each for each in given if not isinstance(each, str))
        if not (texts and numbers):
            return numbers, texts
        kind, expected = (str, TEXT) if isinstance(given[0], str) else (int, "expected a whole number, as the first is")
        odd = next(at for at, each in enumerate(given) if not isinstance(each, kind))
        self._problem(index, f"categories[{odd}]", f"found {given[odd]!r}", expected)
        return (), texts

    def _source(self, index: int, form: ColumnForm, texts: tuple[str, ...]) -> Source | None:
        kinds = {"event": form.event, "entity": form.entity or form.field, "expression": form.expression}
        given = [kind for kind, value in kinds.items() if value is not None]
        if len(given) != 1:
            self._problem(index, None, f"has {' and '.join(given) or 'no source'}", _SOURCES)
            return None
        for key, (kinds_of_key, why) in _ALLOWED_WITH.items():
            if getattr(form, key) is not None and given[0] not in kinds_of_key:
                self._problem(index, key, f"cannot be combined with `{given[0]}`", why)
        if texts and form.event is None:
            why = "its values are numbers: only text of the event has text categories"
            self._problem(index, "categories", f"cannot be combined with `{given[0]}`", why)
        if form.event is not None:
            if texts and form.part:
                what = "cannot be combined with text `categories`"
                self._problem(index, "part", what, "a part is a number: give whole numbers")
            return FromEvent(form.event, texts, form.part)
        if form.expression is not None:
            return self._expression(index, form.expression)
        return self._from_entity(index, form.entity, form.field)

    def _from_entity(self, index: int, entity: str | None, field: str | None) -> FromEntity | None:
        if entity is None or field is None:
            self._problem(index, None, f"the key '{'field' if field is None else 'entity'}' is missing", _SOURCES)
            return None
        if entity not in self._entities:
            what = f"unknown entity '{entity}'{did_you_mean(entity, self._entities)}"
            self._problem(index, "entity", what, f"known entities: {', '.join(self._entities) or 'none'}")
            return None
        known = self._entities[entity]
        if known is not None and field not in known.fields:
            what = f"entity '{entity}' has no field '{field}'{did_you_mean(field, known.fields)}"
            self._problem(index, "field", what, f"its fields: {', '.join(known.fields)}")
        return FromEntity(entity, field)

    def _expression(self, index: int, text: str) -> Expression | None:
        expression, reasons = Expression.parse(text, self._names[:index], self._names[index:])
        for reason in reasons:
            self._problem(index, "expression", reason, ALLOWED)
        return expression

    def _problem(self, index: int, key: str | None, what: str, expected: str) -> None:
        column = column_step(index, self._names[index])
        path = (column,) if key is None else (column, key)
        self.problems.append(Problem(place(self._where, *path), what, expected))
