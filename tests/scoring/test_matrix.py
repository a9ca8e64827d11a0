"""The matrix against a slow and obvious way to make it, one row and one column at a time."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import UNKNOWN_BITS, Kind, Lookup, Matrix, Reason
from scorer.plan import Plan
from scorer.plan.columns import FromEntity, FromEvent
from tests.scoring.batches import FIELDS, Asking, Row, Table, events

PLAN = Plan.parse(
    """
entities:
  plane: {key: "plane:{tailnum}", layout: hash, fields: [seats, year]}
  route: {key: "route:{origin}:{class}", layout: packed, fields: [mean, count]}
columns:
  - {name: distance, event: distance, default: 7.5}
  - {name: number,   event: card.number}
  - {name: paid,     event: paid}
  - {name: fare,     event: fare}
  - {name: day,      event: day}
  - {name: closes,   event: gate_closes}
  - {name: departs,  event: departure, default: -1}
  - {name: seen,     event: seen}
  - {name: tail,     event: tailnum, categories: [N1, "", é], default: 2}
  - {name: cabin,    event: class, categories: [first]}
  - {name: month,    event: departure, part: month, default: 1e30}
  - {name: minute,   event: seen, part: minute}
  - {name: year,     entity: plane, field: year}
  - {name: seats,    entity: plane, field: seats, default: 100}
  - {name: mean,     entity: route, field: mean}
  - {name: again,    entity: route, field: mean, default: 0.1}
  - {name: double,   expression: "where(isnan(distance), seats * 1e30, distance * 2)"}
  - {name: chained,  expression: "double - distance"}
""",
    "plan.yaml",
)
DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

instants = st.integers(-(10**12), 2 * 10**12)
rows = st.lists(
    st.none()
    | st.fixed_dictionaries(
        {
            "distance": st.none() | st.floats() | st.floats(width=32),
            "card.number": st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
            "paid": st.booleans(),
            "fare": st.floats(-1e6, 1e6),
            "day": st.integers(-(1 << 31), (1 << 31) - 1),
            "gate_closes": st.integers(0, DAY * 1_000 - 1),
            "departure": st.none() | instants,
            "seen": instants.map(lambda value: value * 1_000 + 7),
            "tailnum": st.none() | st.sampled_from(["N1", "N2", "", "é"]),
            "origin": st.sampled_from(["JFK", "EWR"]),
            "class": st.sampled_from(["economy", "first"]),
        }
    ),
    max_size=12,
)
values = st.floats() | st.floats(-1e3, 1e3)
states = st.sampled_from([Lookup.MISSING, Lookup.STALE, Lookup.INVALID])


def some(*fields: str) -> st.SearchStrategy[dict[str, float]]:
    """Some of these features; at least one, or the entity is missing."""
    return st.dictionaries(st.sampled_from(fields), values, min_size=1)


tables = st.fixed_dictionaries(
    {
        "plane": st.dictionaries(st.sampled_from([b"plane:N1", b"plane:N2"]), some("seats", "year") | states),
        "route": st.dictionaries(
            st.sampled_from([b"route:JFK:first", b"route:EWR:economy"]), some("mean", "count") | states
        ),
    }
)


def slow_number(source: FromEvent, row: Row) -> float | None:
    value, field = row[source.path], FIELDS[source.path]
    if value is None:
        return None
    if source.categories:
        return float(source.categories.index(str(value))) if value in source.categories else math.nan
    assert isinstance(value, int | float)
    if source.part is not None:
        moment = EPOCH + timedelta(microseconds=int(value) * 1_000_000 // field.ticks)
        return float(getattr(moment, source.part))
    return value / field.ticks if field.kind in {Kind.TIME, Kind.TIMESTAMP} else float(value)


def slow_row(row: Row, table: Table) -> list[float]:
    keys = {
        "plane": None if row["tailnum"] is None else f"plane:{row['tailnum']}".encode(),
        "route": f"route:{row['origin']}:{row['class']}".encode(),
    }
    done: dict[str, float] = {}
    for column in PLAN.columns:
        value: float | None
        if isinstance(column.source, FromEvent):
            value = slow_number(column.source, row)
        elif isinstance(column.source, FromEntity):
            key = keys[column.source.entity]
            there = Lookup.MISSING if key is None else table.entities[column.source.entity].get(key, Lookup.MISSING)
            value = None if isinstance(there, Lookup) else there.get(column.source.field)
        elif column.name == "double":
            value = done["seats"] * 1e30 if math.isnan(done["distance"]) else done["distance"] * 2
        else:
            value = done["double"] - done["distance"]
        done[column.name] = column.default if value is None else value
    return list(done.values())


def assembled(rows: Sequence[Row | None], table: Table, plan: Plan = PLAN) -> Matrix:
    return Asking(plan, table).assemble(events(rows))


@given(rows, tables)
def test_the_matrix_equals_that_of_each_row_on_its_own(
    rows: list[Row | None], entities: dict[str, dict[bytes, dict[str, float] | Lookup]]
) -> None:
    table = Table(entities)
    matrix = assembled(rows, table)
    expected = np.full((len(rows), len(PLAN.columns)), np.nan, np.float32)
    infinite = []
    with np.errstate(over="ignore"):
        for number, row in enumerate(rows):
            if row is not None:
                expected[number] = slow_row(row, table)
                if np.isinf(expected[number]).any():
                    expected[number] = np.nan
                    infinite.append(number)
    np.testing.assert_array_equal(matrix.values, expected)
    assert matrix.values.flags.c_contiguous
    assert [(each.row, each.reason) for each in matrix.rejected] == [(row, Reason.BAD_VALUE) for row in infinite]


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("event: distance", {"distance": 0.1}, np.float32(0.1)),
        ("event: distance, default: 3", {"distance": math.nan}, math.nan),
        ("event: distance, default: 3", {}, 3.0),
        ("event: card.number", {"card.number": (1 << 24) + 1}, float(1 << 24)),
        ("event: paid", {"paid": True}, 1.0),
        ("event: day", {"day": -1}, -1.0),
        ("event: departure", {"departure": -1_500}, -1.5),
        ("event: measured", {"measured": 1_500_000_000}, 1.5),
        ("event: gate_closes", {"gate_closes": 1}, np.float32(0.001)),
        ("event: gate_closes, part: hour", {"gate_closes": (DAY - 1) * 1_000}, 23.0),
        ("event: measured, part: second", {"measured": -1}, 59.0),
        ("event: day, part: week", {"day": 0}, 1.0),
        ("event: class, categories: [first, economy], default: 9", {"class": "economy"}, 1.0),
        ("event: origin, categories: [A], default: 9", {"origin": "B"}, math.nan),
        ("event: tailnum, categories: [A], default: 9", {}, 9.0),
        ("event: distance, default: -0.0", {}, -0.0),
        ("event: card.number, categories: [300, 101, 205]", {"card.number": 205}, 2.0),
        ("event: card.number, categories: [300, 101, 205]", {"card.number": 206}, math.nan),
        ("event: card.number, categories: [300, 101, 205], default: 1", {}, 1.0),
        ("event: card.number, categories: [300, 101, 205], default: 1", {"card.number": -1}, math.nan),
        ("event: card.number, categories: [9007199254740993]", {"card.number": 9007199254740992}, math.nan),
        ("event: card.number, categories: [-9223372036854775808]", {"card.number": -(1 << 63)}, 0.0),
        ("event: distance, categories: [2, 1]", {"distance": 1.0}, 1.0),
        ("event: distance, categories: [2, 1]", {"distance": 1.5}, math.nan),
        ("event: distance, categories: [2, 1], default: 0", {"distance": math.nan}, math.nan),
        ("event: distance, categories: [2, 1]", {"distance": math.inf}, math.nan),
        ("event: paid, categories: [1, 0]", {"paid": False}, 1.0),
        ("event: day, part: month, categories: [1, 7, 12]", {"day": -1}, 2.0),
    ],
)
def test_a_field_is_converted_to_its_column_value(column: str, row: Row, value: float) -> None:
    plan = Plan.parse(f"columns: [{{name: a, {column}}}]", "plan.yaml")
    np.testing.assert_array_equal(assembled([row], Table({}), plan).values, np.array([[value]], np.float32))


def test_a_row_is_rounded_only_after_all_columns_are_computed() -> None:
    text = "columns: [{name: a, event: distance}, {name: b, expression: a * 1e30 / 1e30 - 16777217}]"
    matrix = assembled([{"distance": 16777218.0}, {"distance": 16777219.0}], Table({}), Plan.parse(text, "plan.yaml"))
    np.testing.assert_array_equal(matrix.values, np.array([[16777218, 1], [16777220, 2]], np.float32))


@pytest.mark.parametrize(
    ("distance", "shown"), [(math.inf, "inf"), (-math.inf, "-inf"), (1e300, "1e+300"), (3.5e38, "3.5e+38")]
)
def test_an_infinity_rejects_only_its_row_and_is_named(distance: float, shown: str) -> None:
    plan = Plan.parse("columns: [{name: a, event: fare}, {name: far, event: distance}]", "plan.yaml")
    matrix = assembled([{"fare": 1.0, "distance": value} for value in (2.0, distance, 4.0)], Table({}), plan)
    np.testing.assert_array_equal(matrix.values, [[1, 2], [np.nan, np.nan], [1, 4]])
    (rejected,) = matrix.rejected
    assert (rejected.row, rejected.reason) == (1, Reason.BAD_VALUE)
    assert f"column 'far' is {shown}" in rejected.detail


def test_an_infinity_that_does_not_reach_the_matrix_is_accepted() -> None:
    text = "columns: [{name: a, event: distance}, {name: b, expression: 1 / (1 / (a - a))}]"
    matrix = assembled([{"distance": 2.0}], Table({}), Plan.parse(text, "plan.yaml"))
    np.testing.assert_array_equal(matrix.values, [[2, 0]])
    assert not matrix.rejected


def test_a_feature_may_be_infinite_or_nan_as_python_reads_it() -> None:
    plan = Plan.parse(
        "entities: {plane: {key: all, layout: hash, fields: [a]}}\n"
        "columns: [{name: a, entity: plane, field: a, default: 5}]",
        "plan.yaml",
    )
    for there, value in ((math.nan, math.nan), (math.inf, math.nan), (2.0, 2.0)):
        matrix = assembled([{}], Table({"plane": {b"all": {"a": there}}}), plan)
        np.testing.assert_array_equal(matrix.values, [[value]])
        assert len(matrix.rejected) == math.isinf(there)
        assert not matrix.missing.any()


def test_a_number_from_redis_or_an_expression_is_mapped_to_its_category_index() -> None:
    plan = Plan.parse(
        """
entities: {plane: {key: "plane:{tailnum}", layout: hash, fields: [seats, year]}}
columns:
  - {name: seats, entity: plane, field: seats, categories: [300, 50], default: 1}
  - {name: year,  entity: plane, field: year, categories: [1999]}
  - {name: size,  expression: "seats + 5", categories: [6, 5]}
""",
        "plan.yaml",
    )
    table = Table({"plane": {b"plane:A": {"seats": 300, "year": 1999}, b"plane:B": {"seats": 51, "year": math.nan}}})
    found = assembled([{"tailnum": name} for name in ("A", "B", "C")], table, plan).values
    np.testing.assert_array_equal(found, [[0, 0, 1], [np.nan, np.nan, np.nan], [1, np.nan, 0]])
    assert assembled([], Table({"plane": {}}), plan).values.shape == (0, 3)


@pytest.mark.parametrize("rows", [[], [None], [None, None]])
def test_a_batch_without_good_rows_is_assembled_too(rows: list[Row | None]) -> None:
    matrix = assembled(rows, Table({"plane": {}, "route": {}}))
    assert matrix.values.shape == (len(rows), len(PLAN.columns))
    assert np.isnan(matrix.values).all()
    assert matrix.missing.shape == (len(rows), 2)
    assert not matrix.missing.any()
    assert not matrix.rejected
    assert matrix.lookups.tolist() == [[0] * len(Lookup)] * 2


def test_an_unknown_category_is_a_missing_value_with_a_mark() -> None:
    plan = """
columns:
  - {name: tail, event: tailnum, categories: [N1, N2]}
  - {name: number, event: card.number, categories: [1, 2]}
  - {name: ratio, event: distance, categories: [1, 2]}
  - {name: twice, expression: "2 * ratio", categories: [2, 4]}
  - {name: plain, event: distance}
"""
    rows: list[Row | None] = [
        {"tailnum": "N2", "card.number": 2, "distance": 2.0},
        {"tailnum": "N3", "card.number": 3, "distance": 1.5},
        {"distance": math.nan},
        {},
    ]
    values = assembled(rows, Table({}), Plan.parse(plan, "plan.yaml")).values
    marks = values.view(np.uint32) == UNKNOWN_BITS
    assert marks.tolist() == [[False] * 5, [True, True, True, False, False], [False] * 5, [False] * 5]
    assert np.isnan(values[1, :4]).all()
    assert np.isnan(values[2]).all()
    assert np.isnan(values[3]).all()
