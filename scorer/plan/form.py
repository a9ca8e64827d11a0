"""The form of a plan file: its keys and their types. `plan` interprets them."""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from scorer.documents import yaml
from scorer.documents.faults import TEXT, faults
from scorer.errors import Problem

Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[list[Text], Field(min_length=1)]


def _category(value: object) -> str | int:
    """Accept text or a whole number; pydantic's own union would report two errors for one item."""
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and _fits_long(value)):
        return value
    raise PydanticCustomError("category", _CATEGORY)


def _fits_long(number: int) -> bool:
    return -(2**63) <= number < 2**63


_CATEGORY = f"{TEXT}, or a whole number that fits a long"
Category = Annotated[Any, PlainValidator(_category)]


def _join_keys(value: object) -> dict[str, object]:
    """Accept a mapping of names; the items are read one by one, so that an error names its own known keys."""
    if isinstance(value, dict) and value and all(isinstance(name, str) and name for name in value):
        return value
    raise PydanticCustomError("join_keys", "expected join keys and their types in Feast, such as {tailnum: string}")


JoinKeys = Annotated[dict[str, Any], PlainValidator(_join_keys)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EntityForm(_Form):
    """One item of `entities`."""

    key: Text
    layout: Literal["hash", "packed", "feast"]
    fields: Texts
    when_missing: Literal["impute", "dead-letter"] | None = None
    max_age: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    updated: Text | None = None


class JoinKeyForm(_Form):
    """One item of the `key` of an entity of layout feast."""

    type: Literal["string", "bytes", "int32", "int64", "unix_timestamp"]
    event: Text | None = None


class FeastForm(_Form):
    """One item of `entities` of layout feast."""

    layout: Literal["feast"]
    project: Text
    key: JoinKeys
    fields: Texts
    when_missing: Literal["impute", "dead-letter"] | None = None
    max_age: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class ColumnForm(_Form):
    """One item of `columns`."""

    name: Text
    event: Text | None = None
    entity: Text | None = None
    field: Text | None = None
    expression: Text | None = None
    categories: Annotated[list[Category], Field(min_length=1)] | None = None
    part: Literal["year", "month", "day", "hour", "minute", "second", "weekday", "yearday", "week"] | None = None
    default: float | None = None


AnyForm = TypeVar("AnyForm", bound=_Form)


class _PlanForm(_Form):
    entities: dict[Text, Any] | None = None
    columns: Annotated[list[Any], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a plan file that have a valid form.

    entities: the name and form of each entity; the form is None if it has problems.
    columns:  the name and form of each column, in order; the form is None if it has problems.
    problems: all problems of form.
    keys:     the name and key template of entities with problems, if they have a key.
    events:   the index and event field of columns with problems, if they have an event field.
    """

    entities: Sequence[tuple[str, EntityForm | FeastForm | None]]
    columns: Sequence[tuple[str | None, ColumnForm | None]]
    problems: Sequence[Problem]
    keys: Sequence[tuple[str, str]] = ()
    events: Sequence[tuple[int, str]] = ()


def read(text: str, where: str) -> Form:
    """Read a plan file.

    Raises:
        Misconfigured: it is not YAML.
    """
    raw, problems = yaml.construct(text, where)

    def fit(form: type[AnyForm], item: object, *path: str | int) -> AnyForm | None:
        try:
            return form.model_validate(item)
        except ValidationError as error:
            problems.extend(fault.problem(place(where, *path, *fault.path)) for fault in faults(error, form))
        return None

    def fit_entity(item: object, *path: str) -> EntityForm | FeastForm | None:
        if not isinstance(item, dict) or item.get("layout") != "feast":
            return fit(EntityForm, item, *path)
        form, given = fit(FeastForm, item, *path), item.get("key")
        named = given if isinstance(given, dict) else {}
        keys = {
            name: fit(JoinKeyForm, key if isinstance(key, dict) else {"type": key}, *path, "key", name)
            for name, key in named.items()
            if isinstance(name, str)
        }
        return None if form is None or None in keys.values() else form.model_copy(update={"key": keys})

    fit(_PlanForm, raw)
    top = raw if isinstance(raw, dict) else {}
    given = top.get("entities")
    items = [(name, item) for name, item in given.items() if isinstance(name, str)] if isinstance(given, dict) else []
    columns = list(top["columns"]) if isinstance(top.get("columns"), list) else []
    names = [_text(item, "name") for item in columns]
    entity_forms = [fit_entity(item, "entities", name) for name, item in items]
    column_forms = [fit(ColumnForm, item, column_step(index, names[index])) for index, item in enumerate(columns)]
    keys = [(name, _text(item, "key")) for (name, item), form in zip(items, entity_forms, strict=True) if form is None]
    events = [(at, _text(columns[at], "event")) for at, form in enumerate(column_forms) if form is None]
    return Form(
        [(name, form) for (name, _), form in zip(items, entity_forms, strict=True)],
        list(zip(names, column_forms, strict=True)),
        problems,
        [(name, key) for name, key in keys if key],
        [(index, path) for index, path in events if path],
    )


def place(where: str, *path: str | int) -> str:
    """Return a place in a plan, such as `plan.yaml: columns[3].entity`."""
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{where}: {steps.lstrip('.')}" if path else where


def column_step(index: int, name: str | None) -> str:
    """Return the step of a `place` that names a column, such as `columns[3] 'seats'`."""
    return f"columns[{index}]" + (f" {reprlib.repr(name)}" if name else "")


def _text(item: object, key: str) -> str | None:
    text = item.get(key) if isinstance(item, dict) else None
    return text if isinstance(text, str) else None
