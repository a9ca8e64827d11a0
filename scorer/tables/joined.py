"""Scores events whose rows contain features, such as those of a joined table, instead of looking them up."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorer.batch import Events, Found, Lookup, Outcome
from scorer.errors import Problem
from scorer.plan import Entity
from scorer.scoring import BaseScorer
from scorer.store import Request
from scorer.store.redis.layouts import layout_of
from scorer.tables.feature_columns import is_number

HIT, MISSING = np.uint8(Lookup.HIT), np.uint8(Lookup.MISSING)


def features_problems(entities: Sequence[Entity], found: pa.StructType) -> list[Problem]:
    """Return everything in features that is not an entity, a feature or a number.

    Args:
        entities: those of the plan.
        found: the type of the features: with a struct for each entity.
    """
    known, problems = {entity.name: entity for entity in entities}, list[Problem]()
    for entity in found:
        if entity.name not in known:
            expected = f"expected {', '.join(known) or 'none'}"
            problems.append(Problem(f"features.{entity.name}", "the plan has no such entity", expected))
        elif pa.types.is_null(entity.type):
            continue  # no row has it
        elif not pa.types.is_struct(entity.type):
            problems.append(Problem(f"features.{entity.name}", f"found {entity.type}", "expected a row of features"))
        else:
            problems += _feature_problems(known[entity.name], entity.type)
    return problems


def _feature_problems(entity: Entity, found: pa.StructType) -> list[Problem]:
    types = {field.name: field.type for field in found}
    if not types.keys() & set(entity.fields):
        what, expected = "it has none of the entity's features", f"expected {', '.join(entity.fields)}"
        return [Problem(f"features.{entity.name}", what, expected)]
    return [
        Problem(f"features.{entity.name}.{name}", f"found {types[name]}", "expected a number")
        for name in entity.fields
        if name in types and not is_number(types[name])
    ]


def score_joined(scorer: BaseScorer, events: Events, features: pa.Array, given: Collection[str], now: float) -> Outcome:
    """Score events with the features in their rows; entities that are not given are looked up.

    Args:
        scorer: scores the events.
        events: [rows].
        features: [rows]: a struct with a struct for each entity that is given.
        given: the names of these.
        now: see `BaseScorer.score`.

    Raises:
        Unavailable: the store is unavailable and the policy is to wait.
    """
    prepared = scorer.prepare(events)
    asked = [Request(each.entity, []) if each.entity.name in given else each for each in prepared.requests]
    found = scorer.look_up(replace(prepared, requests=asked), now)
    columns = _members(features)
    known = tuple(
        _found(request.entity, columns[each.entity]) if each.entity in given else each
        for each, request in zip(found, prepared.requests, strict=True)
    )
    return scorer.finish(prepared, known, now)


def _found(entity: Entity, rows: pa.Array) -> Found:
    """Return the features of an entity, with a line for each row; what the rows do not have is absent."""
    columns = _members(rows) if pa.types.is_struct(rows.type) else {}
    nothing = pa.nulls(len(rows), pa.float64())
    arrays = [pc.cast(columns.get(name, nothing), pa.float64(), safe=False) for name in entity.fields]
    absent = np.stack([array.is_null().to_numpy(zero_copy_only=False) for array in arrays], 1)
    values = np.stack([array.fill_null(0).to_numpy(zero_copy_only=False) for array in arrays], 1)
    with np.errstate(over="ignore"):
        values = values.astype(layout_of(entity).number_type).astype(np.float64)  # the precision that Redis has
    results = np.where(absent.all(axis=1), MISSING, HIT).astype(np.uint8)
    return Found(entity.name, np.arange(len(rows), dtype=np.int32), values, absent, results, [b""] * len(rows))


def _members(rows: pa.Array) -> dict[str, pa.Array]:
    """Return the members of structs, null where a struct is."""
    return dict(zip((field.name for field in rows.type), rows.flatten(), strict=True))
