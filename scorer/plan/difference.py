"""How two plans differ: which entities and columns were added, removed or changed, in the words of the plan."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from scorer.plan.columns import FromEntity, FromEvent, PlanColumn
from scorer.plan.feast import FeastKey
from scorer.plan.plan import Entity, Plan

Words = Mapping[str, Any]  # the keys of an entity or a column in a plan, with plain values


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between two plans.

    kind:   `entity`, `column`, or `order` for the order of the columns that both have.
    name:   the name of the entity or the column; `columns` for their order.
    before: what the first plan says, or None if it does not have it. Of a change, only the keys that differ.
    after:  the same of the second plan.
    """

    kind: str
    name: str
    before: Words | None
    after: Words | None

    @property
    def change(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


def differences(before: Plan, after: Plan) -> list[Difference]:
    """Return how a plan differs from an earlier one: entities first, then columns, then their order."""
    entities = ({each.name: _entity(each) for each in plan.entities} for plan in (before, after))
    columns = ({each.name: _column(each) for each in plan.columns} for plan in (before, after))
    return [*_compare("entity", *entities), *_compare("column", *columns), *_order(before, after)]


def _compare(kind: str, before: Mapping[str, Words], after: Mapping[str, Words]) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            yield Difference(kind, name, old, new)
        elif keys := [key for key in {**old, **new} if old.get(key) != new.get(key)]:
            yield Difference(kind, name, _only(old, keys), _only(new, keys))


def _only(words: Words, keys: list[str]) -> Words:
    return {key: words[key] for key in keys if key in words}


def _order(before: Plan, after: Plan) -> Iterator[Difference]:
    common = {*before.names} & {*after.names}
    old, new = ([name for name in plan.names if name in common] for plan in (before, after))
    if old != new:
        yield Difference("order", "columns", {"columns": old}, {"columns": new})


def _entity(entity: Entity) -> Words:
    words: dict[str, Any] = {"key": entity.key.text, "layout": entity.layout, "fields": list(entity.fields)}
    if isinstance(entity.key, FeastKey):
        words["key"] = {each.name: {"type": each.type, "event": each.path} for each in entity.key.join_keys}
        words["project"] = cast("bytes", entity.key.pieces[-1]).decode()
    rest = {name: getattr(entity, name) for name in ("when_missing", "max_age", "updated")}
    return words | {name: value for name, value in rest.items() if value is not None}


def _column(column: PlanColumn) -> Words:
    source, words = column.source, dict[str, Any]()
    if isinstance(source, FromEvent):
        words |= {"event": source.path} | ({"part": source.part} if source.part else {})
    elif isinstance(source, FromEntity):
        words |= {"entity": source.entity, "field": source.field}
    else:
        words["expression"] = source.text
    if column.categories:
        words["categories"] = list(column.categories)
    return words if math.isnan(column.default) else words | {"default": column.default}
