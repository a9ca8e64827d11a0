"""Plans of layout feast: keys byte for byte as Feast writes them, against an encoder of its own."""

import re
import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import NO_SLOT
from scorer.errors import Misconfigured
from scorer.plan import Draft, Plan
from scorer.plan.feast import FeastKey, JoinKey, join_keys_in
from scorer.scoring.keyring import Keyring
from tests.scoring.batches import FIELDS, Row, events

TYPES = {"bytes": 1, "string": 2, "int32": 3, "int64": 4, "unix_timestamp": 8}
PLANE = FeastKey.of("flights", [JoinKey("tailnum", "string", "tailnum")])
WEATHER = FeastKey.of("flights", [JoinKey("origin", "string", "origin"), JoinKey("hour", "int64", "card.number")])


def feast_key(project: str, values: dict[str, tuple[str, object]]) -> bytes:
    """The key of some join keys with their types and values, as Feast writes it."""
    key = struct.pack("<I", len(values))
    for name in sorted(values):
        key += struct.pack("<II", 2, len(name.encode())) + name.encode()
    for name in sorted(values):
        kind, value = values[name]
        content = {"int32": "<i", "int64": "<q", "unix_timestamp": "<q"}.get(kind, "")
        encoded = struct.pack(content, value) if content else str(value).encode()
        key += struct.pack("<II", TYPES[kind], len(encoded)) + encoded
    return key + project.encode()


def keys_of(template: FeastKey, rows: list[Row | None]) -> tuple[list[int], list[bytes]]:
    good = np.array([row is not None for row in rows], np.bool_)
    slots, keys = Keyring(template, FIELDS).keys(events(rows), good)
    return slots.tolist(), list(keys)


def test_keys_equal_keys_written_by_feast() -> None:
    """Copied from a Redis that Feast 0.67.0 wrote; the join keys were declared as origin, hour."""
    assert keys_of(PLANE, [{"tailnum": "N1"}]) == (
        [0],
        [bytes.fromhex("0100000002000000070000007461696c6e756d02000000020000004e31") + b"flights"],
    )
    weather = (
        "0200000002000000 04000000686f7572 0200000006000000 6f726967696e 0400000008000000 1100000000000000"
        "0200000003000000 4a464b"
    )
    assert keys_of(WEATHER, [{"origin": "JFK", "card.number": 17}]) == ([0], [bytes.fromhex(weather) + b"flights"])


def test_the_join_keys_of_a_key_are_told() -> None:
    key = feast_key("flights", {"origin": ("string", "JFK"), "hour": ("int64", 200)})
    assert join_keys_in(key) == ("flights", (("hour", "int64"), ("origin", "string")))
    assert [join_keys_in(key[:size]) for size in range(len(key) - len("flights") + 1)] == [None] * (len(key) - 6)
    assert [join_keys_in(text.encode()) for text in ("plane:N1", "", "x" * 100)] == [None] * 3


@given(
    st.text(min_size=1, max_size=8),
    st.lists(
        st.none()
        | st.fixed_dictionaries(
            {
                "tailnum": st.none() | st.text(max_size=9),
                "class": st.sampled_from(["economy", "first"]),
                "card.number": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3),
                "departure": st.none() | st.integers(-(2**62), 2**62),
                "day": st.integers(-(2**31), 2**31 - 1),
            }
        ),
        max_size=20,
    ),
)
def test_a_key_of_many_join_keys_equals_the_one_that_feast_writes(project: str, rows: list[Row | None]) -> None:
    kinds = {
        "ztail": ("string", "tailnum"), "a": ("bytes", "tailnum"), "class": ("string", "class"),
        "é": ("int64", "card.number"), "number": ("string", "card.number"), "at": ("unix_timestamp", "departure"),
        "day": ("unix_timestamp", "day"),
    }  # fmt: skip
    template = FeastKey.of(project, [JoinKey(name, kind, path) for name, (kind, path) in kinds.items()])
    slots, keys = keys_of(template, rows)
    for slot, row in zip(slots, rows, strict=True):
        if row is None or None in row.values():
            assert slot == NO_SLOT
            continue
        values: dict[str, tuple[str, object]] = {
            name: (kind, row[path]) for name, (kind, path) in kinds.items() if path not in {"departure", "day"}
        }
        departure, day = row["departure"], row["day"]
        assert isinstance(departure, int)
        assert isinstance(day, int)
        seconds = abs(departure) // 1_000 * (1 if departure >= 0 else -1)
        values |= {"at": ("unix_timestamp", seconds), "day": ("unix_timestamp", day * 86_400)}
        assert keys[slot] == feast_key(project, values)
        assert template.owns(keys[slot])
    assert len(set(keys)) == len(keys)


def test_int32_and_int64_make_different_keys_and_an_overflow_makes_none() -> None:
    rows: list[Row | None] = [{"card.number": number} for number in (5, -5, 2**31 - 1, -(2**31), 2**31, -(2**31) - 1)]
    narrow = FeastKey.of("p", [JoinKey("card", "int32", "card.number")])
    wide = FeastKey.of("p", [JoinKey("card", "int64", "card.number")])
    slots, keys = keys_of(narrow, rows)
    assert slots == [0, 1, 2, 3, NO_SLOT, NO_SLOT]
    assert keys == [feast_key("p", {"card": ("int32", number)}) for number in (5, -5, 2**31 - 1, -(2**31))]
    assert keys_of(wide, rows)[1] == [feast_key("p", {"card": ("int64", row["card.number"])}) for row in rows if row]


@given(st.text(max_size=9), st.integers(-(2**63), 2**63 - 1))
def test_a_readable_key_is_unambiguous(text: str, number: int) -> None:
    values: dict[str, tuple[str, object]] = {"origin": ("string", text), "hour": ("int64", number)}
    escaped = text.replace("\\", "\\\\").replace(",", "\\,")
    assert WEATHER.readable(feast_key("flights", values)) == f"hour={number}, origin={escaped}"


def test_foreign_keys_are_distinguished() -> None:
    own = feast_key("flights", {"tailnum": ("string", "N1")})
    others = [
        feast_key("my_flights", {"tailnum": ("string", "N1")}),
        feast_key("flights", {"tailnum": ("bytes", "N1")}),
        feast_key("flights", {"tailnum": ("string", "N1"), "x": ("string", "N1")}),
        own[:-1],
        own + b"x",
        b"",
    ]
    assert PLANE.owns(own)
    assert not any(PLANE.owns(other) for other in others)
    assert PLANE.readable(b"\xff") == "\\xff"


def test_patterns_match_the_keys_of_the_project() -> None:
    template = FeastKey.of("a*b", [JoinKey("tailnum", "string", "tailnum")])
    assert template.grant == b"*a\\*b"
    assert template.pattern.endswith(b"*a\\*b")
    assert template.pattern.startswith(b"\x01\x00\x00\x00\x02\x00\x00\x00\x07\x00\x00\x00tailnum")


def test_an_example_key_is_a_valid_key() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for kind in TYPES:
        template = FeastKey.of("p", [JoinKey("a", kind, "a"), JoinKey("b", "string", "b")])
        assert template.owns(template.fill(part.example(at) for part in template.parts))


PLAN = """
entities:
  plane:
    layout: feast
    project: flights
    key: {{tailnum: string}}
    fields: [plane_stats:seats, plane_history:flights]
    {more}
columns:
  - {{name: seats, entity: plane, field: plane_stats:seats}}
"""


def test_a_plan_with_feast_entities_is_parsed() -> None:
    text = """
entities:
  weather:
    layout: feast
    project: flights
    key: {origin: string, hour: {type: int64, event: card.number}, at: {type: unix_timestamp, event: departure}}
    fields: [weather:temp, air:dust]
    max_age: 60
    when_missing: dead-letter
columns:
  - {name: temp, entity: weather, field: weather:temp}
"""
    plan = Plan.parse(text, "plan.yaml")
    (entity,) = plan.entities
    assert isinstance(entity.key, FeastKey)
    assert entity.key.join_keys == (
        JoinKey("at", "unix_timestamp", "departure"),
        JoinKey("hour", "int64", "card.number"),
        JoinKey("origin", "string", "origin"),
    )
    assert entity.key.text == "at={departure}, hour={card.number}, origin={origin} of project flights"
    assert (entity.layout, entity.fields) == ("feast", ("weather:temp", "air:dust"))
    assert (entity.max_age, entity.updated, entity.when_missing) == (60.0, None, "dead-letter")
    assert (plan.fields, plan.texts) == ({"departure", "card.number"}, {"origin"})
    assert not Draft.parse(text, "plan.yaml").schema_problems(FIELDS, str)


@pytest.mark.parametrize(
    ("was", "becomes", "problem"),
    [
        ("project: flights", "", "entities.plane: the key 'project' is missing"),
        ("project: flights", "projet: f", "entities.plane.projet: unknown key 'projet'; did you mean 'project'?"),
        ("project: flights", "updated: at", "entities.plane.updated: unknown key 'updated'"),
        ("layout: feast", "layout: feats", "entities.plane.layout: found 'feats'; did you mean 'feast'?"),
        (
            "{tailnum: string}",
            "'plane:{tailnum}'",
            "entities.plane.key: found 'plane:{tailnum}'; expected join keys and their types in Feast",
        ),
        ("{tailnum: string}", "{}", "entities.plane.key: found {}; expected join keys"),
        (
            "{tailnum: string}",
            "{tailnum: strng}",
            "entities.plane.key.tailnum.type: found 'strng'; did you mean 'string'?",
        ),
        ("{tailnum: string}", "{tailnum: 3}", "entities.plane.key.tailnum.type: found 3; expected 'string', "),
        (
            "{tailnum: string}",
            "{tailnum: {type: string, evnt: t}}",
            "entities.plane.key.tailnum.evnt: unknown key 'evnt'; did you mean 'event'?; known keys: type, event",
        ),
        ("{tailnum: string}", "{tailnum: {event: t}}", "entities.plane.key.tailnum: the key 'type' is missing"),
        (
            "plane_history:flights",
            "flights",
            "entities.plane.fields[1]: found 'flights'; expected the view and the feature",
        ),
        ("plane_history:flights", "a:b:c", "entities.plane.fields[1]: found 'a:b:c'; expected the view"),
        ("plane_history:flights", "':b'", "entities.plane.fields[1]: found ':b'; expected the view"),
        ("plane_history:flights", "plane_stats:seats", "entities.plane.fields: duplicate 'plane_stats:seats'"),
        ("MORE", "max_age: 0", "entities.plane.max_age: found 0; expected"),
    ],
)
def test_a_problem_of_a_plan_with_feast_entities_is_named(was: str, becomes: str, problem: str) -> None:
    text = PLAN.format(more="# MORE").replace("# MORE" if was == "MORE" else was, becomes, 1)
    with pytest.raises(Misconfigured, match=re.escape(f"plan.yaml: {problem}")):
        Plan.parse(text, "plan.yaml")


def test_the_error_for_an_unknown_feature_suggests_the_nearest() -> None:
    text = PLAN.format(more="").replace("field: plane_stats:seats", "field: plane_stats:seat")
    with pytest.raises(Misconfigured, match="has no field 'plane_stats:seat'; did you mean 'plane_stats:seats'"):
        Plan.parse(text, "plan.yaml")


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("{tail: string}", "key.tail: 'tail': no such field; expected a field of the event; for another name write"),
        (
            "{paid: int32}",
            "key.paid: 'paid' is of kind boolean, which cannot be a join key of type int32; use an int or a",
        ),
        ("{tailnum: int64}", "key.tailnum: 'tailnum' is of kind text, which cannot be a join key of type int64"),
        ("{distance: string}", "key.distance: 'distance' is of kind float, which cannot be a join key of type string"),
        (
            "{gate_closes: unix_timestamp}",
            "kind time, which cannot be a join key of type unix_timestamp; use a timestamp",
        ),
        ("{photo: string}", "key.photo: 'photo' is of kind bytes, which cannot be a join key of type string"),
    ],
)
def test_a_key_that_does_not_fit_the_schema_is_refused(key: str, problem: str) -> None:
    draft = Draft.parse(PLAN.format(more="").replace("{tailnum: string}", key), "plan.yaml")
    (found,) = draft.schema_problems(FIELDS, lambda _: "no such field")
    assert problem in str(found)
    assert str(found).startswith("plan.yaml: entities.plane.key.")


def test_a_bytes_field_of_the_event_fits_a_bytes_join_key() -> None:
    draft = Draft.parse(PLAN.format(more="").replace("{tailnum: string}", "{photo: bytes}"), "plan.yaml")
    assert not draft.schema_problems(FIELDS, str)
