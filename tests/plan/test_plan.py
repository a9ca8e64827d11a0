"""Valid plans, and the problems of invalid ones."""

import contextlib
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Field, Kind
from scorer.errors import Misconfigured
from scorer.plan import Draft, Plan
from scorer.plan.columns import FromEntity, FromEvent
from scorer.plan.expression import Expression
from scorer.plan.keys import KeyTemplate
from scorer.plan.plan import Entity
from tests.scoring.batches import FIELDS

INTERFACE = """
entities:
  plane:   {key: "plane:{tailnum}", layout: hash, fields: [seats, engines, year], when_missing: dead-letter}
  weather: {key: "weather:{origin}:{hour|%Y%m%d%H}", layout: packed, fields: [temp, wind_speed, visib]}
  card:    {key: "card:{card.number}", layout: hash, fields: [spend], max_age: 3600, updated: updated_at}
columns:
  - {name: distance, event: distance}
  - {name: seats,    entity: plane,   field: seats}
  - {name: wind,     entity: weather, field: wind_speed, default: 0}     # default NaN
  - {name: carrier,  event: carrier, categories: [AA, B6, DL, UA]}       # its index; unknown -> NaN
  - {name: minute,   event: scheduled_departure, part: minute}           # part of a time, UTC
  - {name: slack,    expression: "log1p(distance) / (seats + 1)"}        # over columns above
"""
PLANE = "plane: {key: 'plane:{tailnum}', layout: hash, fields: [seats, year]}"


def wrong(text: str) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        Plan.parse(text, "plan.yaml")
    return [str(problem) for problem in caught.value.problems]


def of_column(column: str, entities: str = PLANE) -> str:
    return f"entities: {{{entities}}}\ncolumns:\n  - {{name: first, event: distance}}\n  - {{name: x, {column}}}\n"


def of_entity(entity: str) -> str:
    return f"entities:\n  plane: {{{entity}}}\ncolumns:\n  - {{name: first, event: distance}}\n"


def test_the_plan_of_the_interface_is_parsed() -> None:
    plan = Plan.parse(INTERFACE, "plan.yaml")
    assert plan.entities == (
        Entity("plane", KeyTemplate.parse("plane:{tailnum}"), "hash", ("seats", "engines", "year"), "dead-letter"),
        Entity(
            "weather", KeyTemplate.parse("weather:{origin}:{hour|%Y%m%d%H}"), "packed", ("temp", "wind_speed", "visib")
        ),
        Entity("card", KeyTemplate.parse("card:{card.number}"), "hash", ("spend",), None, 3600.0, "updated_at"),
    )
    assert plan.names == ("distance", "seats", "wind", "carrier", "minute", "slack")
    sources = [column.source for column in plan.columns]
    assert sources[:5] == [
        FromEvent("distance"),
        FromEntity("plane", "seats"),
        FromEntity("weather", "wind_speed"),
        FromEvent("carrier", categories=("AA", "B6", "DL", "UA")),
        FromEvent("scheduled_departure", part="minute"),
    ]
    assert isinstance(sources[5], Expression)
    defaults = [column.default for column in plan.columns]
    assert defaults[2] == 0.0
    assert all(math.isnan(default) for default in defaults[:2] + defaults[3:])
    assert plan.fields == {"distance", "scheduled_departure", "hour"}
    assert plan.texts == {"tailnum", "origin", "card.number", "carrier"}


def test_a_plan_needs_no_entities() -> None:
    assert Plan.parse("columns: [{name: a, event: b, default: .nan}]", "plan.yaml").entities == ()
    assert Plan.parse("entities: {}\ncolumns: [{name: a, event: b}]", "plan.yaml").entities == ()


def test_text_that_yaml_1_1_would_convert_stays_text() -> None:
    categories = "NO, off, yes, 12:30, 007, 2013-01-01, 1_000, '1'"
    plan = Plan.parse(f"columns: [{{name: on, event: y, categories: [{categories}]}}]", "plan.yaml")
    assert plan.names == ("on",)
    assert plan.columns[0].source == FromEvent("y", tuple(categories.replace("'", "").split(", ")))


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("-7", -7.0), ("3.", 3.0), ("+.5E2", 50.0), ("0", 0.0)])
def test_numbers_are_read_as_in_yaml_1_2(text: str, value: float) -> None:
    assert Plan.parse(f"columns: [{{name: a, event: b, default: {text}}}]", "plan.yaml").columns[0].default == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "plan.yaml: found None; expected a mapping of keys to values"),
        ("[]", "plan.yaml: found []; expected a mapping of keys to values"),
        ("entities: {}", "plan.yaml: the key 'columns' is missing; expected keys: entities, columns"),
        ("columns: []", "plan.yaml: columns: found []; expected at least one item"),
        ("columns: {a: b}", "plan.yaml: columns: found {'a': 'b'}; expected a list such as [a, b]"),
        ("columns: [a]", "plan.yaml: columns[0]: found 'a'; expected a mapping of keys to values"),
        ("columns: [", "plan.yaml: line 1, column 11: is not YAML"),
        (
            "columns: [{name: a, event: b}]\ncolumn: 3",
            "plan.yaml: column: unknown key 'column'; did you mean 'columns'?",
        ),
        ("columns: [{name: a, event: b}]\nentities: [a]", "plan.yaml: entities: found ['a']; expected a mapping"),
        ("columns: [{name: a, event: b}]\nentities: {1: {}}", "plan.yaml: entities[1]: found 1; expected text"),
        ("columns: [{name: a, event: b}]\nentities: {'': {}}", "expected text with at least one character"),
        ("columns:\n  - {name: a, name: c, event: b}", "plan.yaml: line 2: duplicate key 'name'"),
        (
            "columns: [{name: a, event: b}]\ncolumns: [{name: a, event: b}]",
            "plan.yaml: line 2: duplicate key 'columns'",
        ),
        (r'columns: [{name: a, event: "\ud800"}]', "plan.yaml: has an invalid value"),
        ("columns: [{name: a, event: !!bool maybe}]", "plan.yaml: has an invalid value"),
        ("columns: [{name: a, event: !!python/name:os.abort }]", "plan.yaml: line 1, column 28: is not YAML"),
        ("columns: [{name: a, event: b}]\n---\n", "is not YAML"),
        ("columns: [{name: a, event: b, ? [c] : d}]", "is not YAML: found unhashable key"),
        ("columns: [{name: \x07}]", "is not YAML: unacceptable character"),
    ],
)
def test_a_file_that_is_not_a_plan_is_a_problem(text: str, problem: str) -> None:
    assert any(problem in each for each in wrong(text)), wrong(text)


@pytest.mark.parametrize(
    ("entity", "problem"),
    [
        ("layout: hash, fields: [a]", "entities.plane: the key 'key' is missing"),
        ("key: k, fields: [a]", "entities.plane: the key 'layout' is missing"),
        ("key: k, layout: hash", "entities.plane: the key 'fields' is missing"),
        ("key: 3, layout: hash, fields: [a]", "entities.plane.key: found 3; expected text"),
        ("key: '', layout: hash, fields: [a]", "entities.plane.key: found ''; expected text"),
        ("key: '{a', layout: hash, fields: [a]", "entities.plane.key: has a single '{' at character 1"),
        ("key: k, layout: has, fields: [a]", "entities.plane.layout: found 'has'; did you mean 'hash'?"),
        ("key: k, layout: hash, fields: []", "entities.plane.fields: found []; expected at least one item"),
        ("key: k, layout: hash, fields: a", "entities.plane.fields: found 'a'; expected a list"),
        ("key: k, layout: hash, fields: [a, 2]", "entities.plane.fields[1]: found 2; expected text"),
        ("key: k, layout: hash, fields: [a, b, a]", "entities.plane.fields: duplicate 'a'"),
        (
            "key: k, layout: hash, fields: [a], when_missing: wait",
            "entities.plane.when_missing: found 'wait'; expected",
        ),
        (
            "key: k, layout: hash, fields: [a], max_age: 1h, updated: u",
            "entities.plane.max_age: found '1h'; expected a number",
        ),
        ("key: k, layout: hash, fields: [a], max_age: 0, updated: u", "entities.plane.max_age: found 0; expected"),
        ("key: k, layout: hash, fields: [a], max_age: .inf, updated: u", "entities.plane.max_age: found inf; expected"),
        ("key: k, layout: hash, fields: [a], max_age: .nan, updated: u", "entities.plane.max_age: found nan; expected"),
        ("key: k, layout: hash, fields: [a], max_age: 5", "entities.plane.max_age: needs `updated`"),
        ("key: k, layout: hash, fields: [a], updated: u", "entities.plane.updated: needs `max_age`"),
        (
            "key: k, layout: packed, fields: [a], max_age: 5, updated: u",
            "entities.plane.max_age: cannot be combined with layout packed",
        ),
        (
            "key: k, layout: hash, fields: [a], mx_age: 5",
            "entities.plane.mx_age: unknown key 'mx_age'; did you mean 'max_age'?",
        ),
    ],
)
def test_a_wrong_entity_is_a_problem(entity: str, problem: str) -> None:
    (found,) = wrong(of_entity(entity))
    assert found.startswith(f"plan.yaml: {problem}")


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ("default: 1", "columns[1] 'x': has no source; expected exactly one of"),
        ("event: a, expression: first", "columns[1] 'x': has event and expression; expected exactly one of"),
        ("event: a, entity: plane, field: year", "columns[1] 'x': has event and entity; expected exactly one of"),
        ("event: a, field: year", "columns[1] 'x': has event and entity; expected exactly one of"),
        ("entity: plane", "columns[1] 'x': the key 'field' is missing"),
        ("field: year", "columns[1] 'x': the key 'entity' is missing"),
        (
            "entity: plan, field: year",
            "columns[1] 'x'.entity: unknown entity 'plan'; did you mean 'plane'?; known entities: plane",
        ),
        (
            "entity: plane, field: yaer",
            "columns[1] 'x'.field: entity 'plane' has no field 'yaer'; did you mean 'year'?",
        ),
        ("event: 3", "columns[1] 'x'.event: found 3; expected text"),
        ("event: a, evnt: a", "columns[1] 'x'.evnt: unknown key 'evnt'; did you mean 'event'?"),
        ("event: a, categories: []", "columns[1] 'x'.categories: found []; expected at least one item"),
        ("event: a, categories: [a, 1]", "columns[1] 'x'.categories[1]: found 1; expected text, in quotes"),
        ("event: a, categories: [a, true]", "columns[1] 'x'.categories[1]: found True; expected text, in quotes"),
        ("event: a, categories: [a, b, a]", "columns[1] 'x'.categories: duplicate 'a'"),
        ("event: a, categories: [a], part: year", "columns[1] 'x'.part: cannot be combined with text `categories`"),
        ("event: a, part: yr", "columns[1] 'x'.part: found 'yr'; did you mean 'year'?; expected 'year', 'month'"),
        ("entity: plane, field: year, part: year", "columns[1] 'x'.part: cannot be combined with `entity`"),
        (
            "event: a, categories: [1, a]",
            "columns[1] 'x'.categories[1]: found 'a'; expected a whole number, as the first is",
        ),
        ("event: a, categories: ['101', 101]", "columns[1] 'x'.categories[1]: found 101; expected text, in quotes"),
        ("event: a, categories: [1, 1.5]", "columns[1] 'x'.categories[1]: found 1.5; expected text, in quotes"),
        ("event: a, categories: [1, null]", "columns[1] 'x'.categories[1]: found None; expected text, in quotes"),
        (
            "event: a, categories: [9223372036854775808]",
            "columns[1] 'x'.categories[0]: found 9223372036854775808; expected text",
        ),
        ("event: a, categories: [7, 8, 7]", "columns[1] 'x'.categories: duplicate '7'"),
        (
            "event: a, categories: [7, 8], default: 7",
            "columns[1] 'x'.default: found 7, which is not the index of a category",
        ),
        ("event: a, categories: [7, 8], default: 0.5", "columns[1] 'x'.default: found 0.5, which is not the index of"),
        ("entity: plane, field: year, categories: [a]", "columns[1] 'x'.categories: cannot be combined with `entity`"),
        ("expression: first, categories: [a]", "columns[1] 'x'.categories: cannot be combined with `expression`"),
        ("expression: first, default: 1", "columns[1] 'x'.default: cannot be combined with `expression`"),
        ("expression: x + 1", "columns[1] 'x'.expression: 'x' at character 1 is a column below"),
        (
            "expression: firts",
            "columns[1] 'x'.expression: 'firts' at character 1 is not a column above; did you mean 'first'?",
        ),
        ("expression: 3", "columns[1] 'x'.expression: found 3; expected text"),
        ("event: a, default: '0'", "columns[1] 'x'.default: found '0'; expected a number"),
        ("event: a, default: true", "columns[1] 'x'.default: found True; expected a number"),
        ("event: a, default: .inf", "columns[1] 'x'.default: found inf, which float32 cannot hold"),
        ("event: a, default: -1e39", "columns[1] 'x'.default: found -1e+39, which float32 cannot hold"),
        ("event: a, default: 1" + "0" * 999, "columns[1] 'x'.default: found 1000"),
        ("event: a}\n  - {name: first, event: b", "columns[2] 'first'.name: 'first' is also the name of columns[0]"),
        ("event: a}\n  - {event: b", "columns[2]: the key 'name' is missing"),
        ("event: a}\n  - {name: '', event: b", "columns[2].name: found ''; expected text"),
    ],
)
def test_a_wrong_column_is_a_problem(column: str, problem: str) -> None:
    (found,) = wrong(of_column(column))
    assert found.startswith(f"plan.yaml: {problem}")


def test_all_problems_are_reported_together_and_none_twice() -> None:
    text = """
entities:
  plane: {key: "plane:{tailnum", layout: hash, fields: [seats], when_missing: dead-leter}
  card:  {key: "card:{n}", layout: hash, fields: [spend], updated: updated_at}
columns:
  - {name: seats, entity: plane, field: seats}
  - {name: typo,  event: a, defalt: 3}
  - {name: wind,  entity: wether, field: wind_speed}
  - {name: slack, expression: "typo + wind + later + card.x"}
  - {name: seats, event: b}
  - {name: later, event: c}
colums: []
"""
    places = [problem.split(": ")[1] for problem in wrong(text)]
    assert sorted(places) == sorted(
        [
            "colums",
            "entities.plane.when_missing",
            "entities.plane.key",
            "entities.card.updated",
            "columns[1] 'typo'.defalt",
            "columns[2] 'wind'.entity",
            "columns[3] 'slack'.expression",
            "columns[3] 'slack'.expression",
            "columns[4] 'seats'.name",
        ]
    )


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "a: &a [*a]",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ncolumns: [*c, *c]",
        "<<: {}",
        f"columns: [{{name: a, event: b, default: {'9' * 5000}}}]",
        "columns: [{name: a, expression: " + "(" * 9000 + "}]",
        "columns: " + "x" * 5_000_000,
    ],
)
def test_a_hostile_plan_is_refused_with_a_short_message(text: str) -> None:
    problems = wrong(text)
    assert len("\n".join(problems)) < 2_000


@given(st.text(max_size=60) | st.text(alphabet="{}[]:,-&*!|>'\"%@?# \nab1", max_size=60))
def test_no_plan_text_raises_anything_but_misconfigured(text: str) -> None:
    with contextlib.suppress(Misconfigured):
        Plan.parse(text, "plan.yaml")


def test_load_reads_a_file_and_names_it_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_text("columns: [{name: é, event: b}]", encoding)
        assert Plan.load(path).names == ("é",)
    for content, reason in ((b"\xff", "is not UTF-8"), (b"columns: []", "expected at least one item")):
        path.write_bytes(content)
        with pytest.raises(Misconfigured, match=reason) as caught:
            Plan.load(path)
        assert caught.value.problems[0].where.startswith(str(path))
    with pytest.raises(Misconfigured, match="cannot be read: No such file"):
        Plan.load(tmp_path / "nothing.yaml")


FITS = {
    "distance": [Kind.INTEGER, Kind.FLOAT, Kind.BOOLEAN, Kind.DECIMAL, Kind.DATE, Kind.TIME, Kind.TIMESTAMP],
    "distance, categories: [a]": [Kind.TEXT, Kind.ENUM],
    "distance, categories: [1, 2]": [
        Kind.INTEGER,
        Kind.FLOAT,
        Kind.BOOLEAN,
        Kind.DECIMAL,
        Kind.DATE,
        Kind.TIME,
        Kind.TIMESTAMP,
    ],
    "distance, part: month, categories: [1, 2]": [Kind.DATE, Kind.TIMESTAMP],
    "distance, part: year": [Kind.DATE, Kind.TIMESTAMP],
    "distance, part: week": [Kind.DATE, Kind.TIMESTAMP],
    "distance, part: hour": [Kind.TIME, Kind.TIMESTAMP],
    "distance, part: second": [Kind.TIME, Kind.TIMESTAMP],
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("column", FITS)
def test_a_column_accepts_only_the_kinds_that_fit(column: str, kind: Kind) -> None:
    plan = Draft.parse(f"columns: [{{name: a, event: {column}}}]", "plan.yaml")
    problems = plan.schema_problems({"distance": Field("distance", kind)}, str)
    assert [problem.where for problem in problems] == (
        [] if kind in FITS[column] else ["plan.yaml: columns[0] 'a'.event"]
    )
    assert all(problem.expected for problem in problems)


def test_all_mismatches_of_a_plan_with_the_schema_are_reported() -> None:
    text = """
entities:
  plane: {key: "plane:{tail}:{distance}", layout: hash, fields: [seats]}
columns:
  - {name: a, event: distanc}
  - {name: b, event: origin}
  - {name: c, event: departure, part: minute}
  - {name: d, event: photo}
"""
    problems = Draft.parse(text, "plan.yaml").schema_problems(FIELDS, lambda path: f"unknown field '{path}'")
    usable = "use a string, uuid, enum, int, long or boolean"
    assert [str(problem) for problem in problems] == [
        "plan.yaml: entities.plane.key: '{tail}': unknown field 'tail'; expected a field of the event",
        f"plan.yaml: entities.plane.key: '{{distance}}' is of kind float, which has no unique text; {usable}",
        "plan.yaml: columns[0] 'a'.event: unknown field 'distanc'; expected a scalar field of the event",
        "plan.yaml: columns[1] 'b'.event: 'origin' is of kind text, which is not a number; give its `categories`",
        "plan.yaml: columns[3] 'd'.event: 'photo' is of kind bytes, which is not a number; use another field",
    ]


def test_problems_of_the_plan_do_not_hide_mismatches_with_the_schema() -> None:
    text = """
entities:
  plane: {key: "plane:{tail}", layout: hash, fields: [seats, seats], updated: changed}
  card:  {key: "card:{nmber}", layout: hsh, fields: [spend]}
  shop:  {key: "shop:{", layout: hash, fields: [rate]}
columns:
  - {name: a, evnt: distance}
  - {name: b, event: distanc, defalt: 0}
  - {event: orgin}
  - {name: d, entity: plan, field: seats}
  - {name: e, event: photo}
  - {name: f, event: [distance], part: minute}
  - {name: g, event: nothing}
"""
    draft = Draft.parse(text, "plan.yaml")
    assert [problem.where.removeprefix("plan.yaml: ") for problem in draft.problems] == [
        "entities.card.layout",
        "columns[0] 'a'.evnt",
        "columns[1] 'b'.defalt",
        "columns[2]",
        "columns[5] 'f'.event",
        "entities.plane.fields",
        "entities.plane.updated",
        "entities.shop.key",
        "columns[3] 'd'.entity",
    ]
    problems = draft.schema_problems(FIELDS, lambda path: f"unknown field '{path}'")
    assert [f"{problem.where}: {problem.what}".removeprefix("plan.yaml: ") for problem in problems] == [
        "entities.plane.key: '{tail}': unknown field 'tail'",
        "entities.card.key: '{nmber}': unknown field 'nmber'",
        "columns[1] 'b'.event: unknown field 'distanc'",
        "columns[2].event: unknown field 'orgin'",
        "columns[4] 'e'.event: 'photo' is of kind bytes, which is not a number",
        "columns[6] 'g'.event: unknown field 'nothing'",
    ]
    with pytest.raises(Misconfigured) as caught:
        draft.plan()
    assert caught.value.problems == draft.problems
