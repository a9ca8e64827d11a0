"""Batches of several writers' schemas: every column is what fastavro resolves, and what cannot be is told."""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.avro import SCHEMA_HEADER, Confluent, Decoder, Schema, Wanted, unframed
from scorer.avro.framing import confluent
from scorer.batch import Events, Kind, Reason
from scorer.errors import RegistryUnavailable
from scorer.registered import Registered
from tests.avro.batches import declared, only, records, schema_of
from tests.avro.evolution import at, by, evolved, held, resolved, same
from tests.avro.schemas import Case, bare, cases, scalars


class Known:
    """A registry of some schemas, by the order in which they were given, from 1 on."""

    def __init__(self, *schemas: Any, references: Sequence[str] = ()) -> None:
        self.schemas, self.references, self.asked = schemas, tuple(references), []

    asked: list[int | str]

    def by_id(self, number: int) -> Registered | None:
        self.asked.append(number)
        if not 1 <= number <= len(self.schemas):
            return None
        return Registered(json.dumps(self.schemas[number - 1]), number, references=self.references)

    def by_guid(self, guid: str) -> Registered | None:
        self.asked.append(guid)
        return Registered(json.dumps(self.schemas[0]), 1) if guid == GUID else None


GUID = "eac301c2-a737-43ab-bb88-b0f8eb2783f4"


def framed(number: int, body: bytes) -> bytes:
    return b"\x00" + number.to_bytes(4, "big") + body


def decoded(reader: Schema, known: Known, *values: bytes, used: Sequence[str] = ("f0",), **more: Any) -> Events:
    texts = [path for path in used if reader.fields[path].kind in {Kind.TEXT, Kind.ENUM}]
    framing = Confluent(reader, known, **more)
    return Decoder(Wanted(reader, used, texts), framing, 10**6).decode(records(list(values)))


def compare(case: Case, seeds: list[int]) -> int:
    """Hold a batch of several writers against fastavro; returns how many rows could be read."""
    kept = bare(case.schema)
    readers = [evolved(kept, random.Random(seed), top=True) for seed in seeds]  # noqa: S311  no secrets
    # One reads what all have written, each by the schema before its own evolution and by its own.
    reader, read = readers[0], 0
    view, kinds = Schema.parse(json.dumps(reader), "reader.avsc"), dict(scalars(reader))
    writers, values = [kept], []
    for body in case.bodies:
        values.append((0, body))
        for other in readers[1:]:
            event = resolved(kept, other, body)
            if not isinstance(event, Exception):
                writers.append(other)
                values.append((len(writers) - 1, by(other, event)))
    used = [path for path, field in view.fields.items() if field.kind != Kind.BYTES]
    events = decoded(view, Known(*writers), *(framed(n + 1, body) for n, body in values), used=used)
    rejected = {each.row: each for each in events.rejected}
    for row, (number, body) in enumerate(values):
        expected = resolved(writers[number], reader, body)
        if row in rejected:
            assert isinstance(expected, Exception), (rejected[row], expected)
            assert rejected[row].reason in {Reason.UNKNOWN_SCHEMA, Reason.BAD_VALUE}
            continue
        if isinstance(expected, Exception):
            continue  # in what nothing uses: bytes, arrays, and fields without an address
        read += 1
        for path, column in events.columns.items():
            assert same(held(events, column, row), at(expected, path), kinds[path]), (path, writers[number], reader)
    return read


@settings(max_examples=150)
@given(case=cases(wide=False), seeds=st.lists(st.integers(0, 10**9), min_size=3, max_size=3))
def test_a_mixed_batch_is_resolved_as_by_fastavro_row_by_row(case: Case, seeds: list[int]) -> None:
    compare(case, seeds)


@pytest.mark.prove
@settings(max_examples=2_000)
@given(case=cases(wide=False), seeds=st.lists(st.integers(0, 10**9), min_size=3, max_size=3))
def test_thousands_of_schema_pairs_are_resolved_as_by_fastavro(case: Case, seeds: list[int]) -> None:
    compare(case, seeds)


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """A body with some bytes changed, put in or taken out."""
    out, at = bytearray(body), draw(st.integers(0, len(body)))
    hostile = st.sampled_from([b"\x01", b"\x80", b"\xff" * 9 + b"\x01", b"\x80" * 8 + b"\x40"])
    out[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2) | hostile)
    return bytes(out)


@settings(max_examples=100)
@given(case=cases(), seed=st.integers(0, 10**9), data=st.data())
def test_the_structure_of_bytes_is_checked_against_the_writers_schema(
    case: Case, seed: int, data: st.DataObject
) -> None:
    writer = Schema.parse(json.dumps(bare(case.schema)), "writer.avsc")
    reader = Schema.parse(json.dumps(evolved(bare(case.schema), random.Random(seed), top=True)), "reader.avsc")  # noqa: S311  no secrets
    bodies = [data.draw(damaged(body)) for body in case.bodies for _ in range(3)] + case.bodies
    judge = Decoder(Wanted(writer), unframed(writer), 10**6)
    wrong = {each.row: each.reason for each in judge.decode(records(bodies)).rejected if bodies[each.row]}
    events = decoded(reader, Known(bare(case.schema)), *(framed(1, body) for body in bodies), used=list(reader.fields))
    rejected = {each.row: each.reason for each in events.rejected}
    assert wrong.keys() <= rejected.keys()
    for row, reason in rejected.items():
        assert reason in {wrong.get(row), Reason.BAD_VALUE, Reason.UNKNOWN_SCHEMA} or not bodies[row]
        assert all(column.null[row] for column in events.columns.values())


def color(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Color", "symbols": list(symbols), **more}


CARD = {"type": "record", "name": "Card", "fields": [{"name": "number", "type": "string"}]}


@pytest.mark.parametrize(
    ("theirs", "value", "ours", "expected"),
    [
        ("int", b"\x02", "long", 1),
        ("int", b"\x02", "double", 1.0),
        ("long", b"\x82\x80\x80\x10", "float", 16777216.0),  # 2**24 + 1, which no float32 is
        ("long", b"\xfe\xff\xff\xff\xff\xef\xff\xff\xff\x01", "float", 9.223371487098962e18),  # rounded once, as Java
        ("float", b"\x00\x00\xc0\x3f", "double", 1.5),
        ("bytes", b"\x02a", "string", "a"),
        (["null", "int"], b"\x00", ["long", "null"], None),
        (["null", "int"], b"\x02\x02", "long", 1),
        ("int", b"\x02", ["null", "double"], 1.0),
        (["string", "int", "null"], b"\x02\x02", ["null", "long"], 1),
        (color("A", "B"), b"\x02", color("B", "A"), "B"),
        (color("A", "B"), b"\x02", color("A", default="A"), "A"),
    ],
)
def test_compatible_schemas_resolve(theirs: Any, value: bytes, ours: Any, expected: Any) -> None:
    events = decoded(schema_of(ours, last="int"), Known(declared(theirs, last="int")), framed(1, value + b"\x0e"))
    assert not events.rejected
    assert held(events, events.columns["f0"], 0) == expected


@pytest.mark.parametrize(
    ("theirs", "value", "ours", "reason", "detail"),
    [
        ("string", b"\x02a", "int", Reason.UNKNOWN_SCHEMA,
         "schema id 1: f0: string in the writer's schema, int in the reader's; expected a type that"),
        (color("A", "Z"), b"\x02", color("A"), Reason.BAD_VALUE, "f0: the symbol 'Z' at byte 5; expected a symbol"),
        (["null", "int"], b"\x00", "int", Reason.BAD_VALUE, "f0: null in the writer's schema, int in the reader's"),
        (["null", "string"], b"\x02\x02a", ["null", "int"], Reason.UNKNOWN_SCHEMA, "f0: string in the writer's schema"),
    ],
)  # fmt: skip
def test_an_incompatible_writers_schema_is_reported(
    theirs: Any, value: bytes, ours: Any, reason: Reason, detail: str
) -> None:
    events = decoded(schema_of(ours), Known(declared(theirs)), framed(1, value))
    found, said = only(events)
    assert found == reason
    assert detail in said


def test_a_removed_field_matters_only_where_it_is_used() -> None:
    reader, known = schema_of("int", gone="string"), Known(declared("int"))
    assert not decoded(reader, known, framed(1, b"\x02")).rejected
    reason, said = only(decoded(reader, known, framed(1, b"\x02"), used=("f0", "gone")))
    assert reason == Reason.UNKNOWN_SCHEMA
    assert said.startswith("schema id 1: gone: the writer's schema has no such field; expected one, or a default in")


def test_a_nested_field_is_matched_by_its_alias_and_not_by_position() -> None:
    ours = {"type": "record", "name": "A", "fields": [{"name": "x", "type": "int", "default": 9, "aliases": ["y"]}]}
    theirs = {"type": "record", "name": "A", "fields": [{"name": "z", "type": "int"}, {"name": "y", "type": "int"}]}
    events = decoded(schema_of(ours), Known(declared(theirs)), framed(1, b"\x02\x04"), used=("f0.x",))
    assert held(events, events.columns["f0.x"], 0) == 2


def chain(name: str, *fields: tuple[str, Any]) -> dict[str, Any]:
    """A record that may contain one of its own type."""
    kinds = [*fields, ("next", ["null", name])]
    return {"type": "record", "name": name, "fields": [{"name": each, "type": kind} for each, kind in kinds]}


TREE: dict[str, Any] = {
    "type": "record",
    "name": "Tree",
    "fields": [
        {"name": "kids", "type": {"type": "array", "items": {"type": "map", "values": "Tree"}}},
        {"name": "twig", "type": chain("Twig", ("tree", ["null", "Tree"]))},
    ],
}


LEAF: dict[str, Any] = {"kids": [], "twig": {"tree": None, "next": None}}


def test_a_recursive_field_that_nothing_needs_is_passed_over() -> None:
    inner = {**LEAF, "kids": [{"d": LEAF}, {"e": LEAF}]}
    tree = {**LEAF, "kids": [{"a": LEAF, "b": LEAF}, {}, {"c": inner}]}
    deep = {**LEAF, "twig": {"tree": tree, "next": {"tree": LEAF, "next": LEAF["twig"]}}}
    schema = declared("int", tree=TREE, last="int")
    bodies = [by(schema, {"f0": number, "tree": each, "last": 7}) for number, each in enumerate((LEAF, tree, deep))]
    known = Known(declared("int", last="int"), schema)
    values = [framed(2, body) for body in bodies] + [framed(1, b"\x06\x0e")]
    events = decoded(schema_of("int", last="int"), known, *values, used=("f0", "last"))
    assert not events.rejected
    assert events.columns["f0"].values.tolist() == [0, 1, 2, 3]
    assert events.columns["last"].values.tolist() == [7] * 4
    broken = [framed(2, body[:-2] + b"\x09" + body[-1:]) for body in bodies]
    assert [each.reason for each in decoded(schema_of("int"), known, *broken).rejected] == [Reason.BAD_VALUE] * 3


def test_values_inside_each_other_are_passed_over_to_a_depth() -> None:
    known = Known(declared("int", chain=chain("Chain"), last="int"))
    values = [framed(1, b"\x02" + b"\x02" * depth + b"\x00\x0e") for depth in (0, 64, 65, 10_000, 2)]
    events = decoded(schema_of("int", last="int"), known, *values, used=("f0", "last"))
    assert [(each.row, each.reason) for each in events.rejected] == [(2, Reason.BAD_VALUE), (3, Reason.BAD_VALUE)]
    told = events.rejected[0].detail
    assert told.startswith("chain.next.next: values inside each other at byte 71, more than 64 deep; expected at most")
    assert [held(events, events.columns["last"], row) for row in (0, 1, 4)] == [7, 7, 7]


def test_a_value_without_an_end_is_refused() -> None:
    known = Known(declared("int", endless=chain("Chain", ("own", "Chain"))))
    reason, said = only(decoded(schema_of("int"), known, framed(1, b"\x02" + b"\x00" * 20)))
    assert reason == Reason.BAD_VALUE
    assert said.startswith("endless.own.own: values inside each other at byte 6, more than 64 deep")


def test_a_recursive_field_that_is_needed_is_told() -> None:
    second = {"type": "record", "name": "Chain", "fields": [{"name": "number", "type": "int"}]}
    ours = {**chain("First", ("number", "int")), "aliases": ["Chain"]}
    ours["fields"][1] = {"name": "next", "type": ["null", second], "default": None}
    reader = Schema.parse(json.dumps(declared(chain=ours)), "event.avsc")
    known = Known(declared(chain=chain("Chain", ("number", "int"))))
    values = framed(1, b"\x02\x00"), framed(1, b"\x02\x02\x04\x00")
    events = decoded(reader, known, *values, used=("chain.number",))
    assert events.columns["chain.number"].values.tolist() == [1, 1]  # the next one is skipped
    events = decoded(reader, known, *values, used=("chain.number", "chain.next.number"))
    reason, said = only(events)
    assert (events.rejected[0].row, reason) == (1, Reason.UNKNOWN_SCHEMA)
    assert said.startswith("chain.next: 'Chain' contains itself; a recursive field can only be skipped")


def test_recursive_schemas_of_one_batch_do_not_mix() -> None:
    known = Known(declared("int", a=chain("A", ("b", ["null", TREE])), c="A"), declared("int", a=chain("A"), b=TREE))
    end = {"b": None, "next": None}
    one = by(known.schemas[0], {"f0": 1, "a": {"b": None, "next": end}, "c": end})
    two = by(known.schemas[1], {"f0": 2, "a": {"next": None}, "b": {**LEAF, "kids": [{"x": LEAF}]}})
    events = decoded(schema_of("int"), known, framed(2, two), framed(1, one), framed(2, two), framed(1, one))
    assert not events.rejected
    assert events.columns["f0"].values.tolist() == [2, 1, 2, 1]


def test_types_of_other_subjects_are_known_by_name() -> None:
    known = Known(declared("int", card="Card"), references=[json.dumps(CARD)])
    reader = Schema.parse(json.dumps(declared("int", card="Card")), "event.avsc", [json.dumps(CARD)])
    events = decoded(reader, known, framed(1, b"\x02\x02a"), used=("card.number",))
    assert held(events, events.columns["card.number"], 0) == "a"


def test_each_schema_id_is_requested_once_and_an_unknown_one_reported() -> None:
    known = Known(declared("int"), declared("long"))
    reader = schema_of("long")
    decoder = Decoder(Wanted(reader, ["f0"]), Confluent(reader, known), 100)
    batch = records([framed(2, b"\x02"), framed(1, b"\x04"), framed(9, b"\x02"), b"\x02", framed(2, b"\x06")])
    events = decoder.decode(batch)
    assert [held(events, events.columns["f0"], row) for row in range(5)] == [1, 2, None, None, 3]
    assert known.asked == [1, 2, 9]
    unknown, bad = events.rejected
    assert (unknown.row, unknown.reason) == (2, Reason.UNKNOWN_SCHEMA)
    assert "the registry has no schema with id 9" in unknown.detail
    assert (bad.row, bad.reason) == (3, Reason.BAD_FRAMING)
    assert "the value begins with 02 at byte 0; expected 00 and a schema id of 4 bytes" in bad.detail
    decoder.decode(batch)
    assert known.asked == [1, 2, 9, 9]  # how long an unknown one is remembered is the registry's to say


def test_the_guid_in_a_header_takes_precedence_over_the_value() -> None:
    headers = {
        0: b"\x01" + bytes.fromhex(GUID.replace("-", "")),
        2: b"\x01" + bytes(16),
        3: b"\x07",
        4: b"\x00" * 4 + b"\x01",
    }
    known, reader = Known(declared("int")), schema_of("long")
    framing = Confluent(reader, known, header_of=lambda original: headers.get(int(str(original))))
    decoder = Decoder(Wanted(reader, ["f0"]), framing, 100)
    values = [b"\x02", framed(1, b"\x04"), b"\x02", b"\x02", b"\x08"]
    batch = records(values)
    batch = replace(batch, originals=range(5))
    events = decoder.decode(batch)
    assert [held(events, events.columns["f0"], row) for row in (0, 1, 4)] == [1, 2, 4]
    unknown, bad = events.rejected
    assert (unknown.row, unknown.reason) == (2, Reason.UNKNOWN_SCHEMA)
    assert "no schema with GUID 00000000-0000-0000-0000-000000000000" in unknown.detail
    assert (bad.row, bad.reason) == (3, Reason.BAD_FRAMING)
    assert "the header __value_schema_id is 07" in bad.detail


def test_a_flood_of_unknown_ids_does_not_block_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confluent, "FETCHING_SECONDS", 0.02)

    class Slow(Known):
        def by_id(self, number: int) -> Registered | None:
            time.sleep(0.005)
            return super().by_id(number)

    known, reader = Slow(), schema_of("int")
    decoder = Decoder(Wanted(reader, ["f0"]), Confluent(reader, known), 100)
    batch, tries = records([framed(number, b"\x02") for number in range(100, 130)]), 0
    while tries < 100:
        tries += 1
        try:
            events = decoder.decode(batch)
        except RegistryUnavailable:
            continue
        break
    assert 1 < tries < 100
    assert known.asked == list(range(100, 130))  # each once, whatever was tried again
    assert {each.reason for each in events.rejected} == {Reason.UNKNOWN_SCHEMA}
    assert len(events.rejected) == 30


def test_the_header_of_confluents_own_serializer_is_read() -> None:
    client = SchemaRegistryClient.new_client({"url": "mock://"})
    text = json.dumps(declared("int"))
    serialize = AvroSerializer(client, text, conf={"schema.id.serializer": header_schema_id_serializer})
    context = SerializationContext("flights", MessageField.VALUE, headers=[])
    body = serialize({"f0": 7}, context)
    ((name, header),) = cast("list[tuple[str, bytes]]", context.headers)

    class Mock(Known):
        def by_guid(self, guid: str) -> Registered | None:
            return Registered(client.get_schema_by_guid(guid).schema_str or "", 1)

    reader = schema_of("long")
    framing = Confluent(reader, Mock(), header_of=lambda _: header)
    batch = replace(records([bytes(body or b"")]), originals=[None])
    events = Decoder(Wanted(reader, ["f0"]), framing, 100).decode(batch)
    assert name == SCHEMA_HEADER
    assert held(events, events.columns["f0"], 0) == 7


def test_nothing_is_decided_while_the_registry_is_unavailable() -> None:
    class Away(Known):
        def by_id(self, number: int) -> Registered | None:
            raise RegistryUnavailable(f"away at {number}")

    with pytest.raises(RegistryUnavailable, match="away at 1"):
        decoded(schema_of("int"), Away(), framed(1, b"\x02"))
