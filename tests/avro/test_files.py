"""Files of events: one JSON object a line, or Avro object container files of any writer."""

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.avro import BadEvent, Converter, Schema, read_events
from tests.avro.batches import declared, schema_of, varint
from tests.avro.schemas import Case, bare, cases, values, write

CODECS = ["null", "deflate", "bzip2", "xz", "snappy"]
CARD = {"type": "record", "name": "Card", "fields": [{"name": "number", "type": "int"}]}
LARGER_CARD = {**CARD, "fields": [{"name": "spent", "type": "bytes", "default": "\x00\u00ff"}, *CARD["fields"]]}
TWO = {"type": "fixed", "name": "Two", "size": 2}
LETTERS = {"type": "enum", "name": "Letter", "symbols": ["A", "B"]}
MORE_LETTERS = {"type": "enum", "name": "Letter", "symbols": ["Z", "B", "A"]}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}


def container(schema: Any, events: list[Any], codec: str = "null", block: int = 16_000) -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), events, codec, block)
    return out.getvalue()


def read(path: Path, content: bytes, schema: Schema) -> list[bytes]:
    path.write_bytes(content)
    return list(read_events(path, schema))


def refusal(path: Path, content: bytes, schema: Schema) -> str:
    with pytest.raises(BadEvent) as caught:
        read(path, content, schema)
    return str(caught.value)


@pytest.fixture
def avro(tmp_path: Path) -> Path:
    return tmp_path / "events.avro"


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_lines_are_events(jsonl: Path) -> None:
    lines = '\ufeff{"f0": 1}\r\n\n   \n{"f0": -1}\n{"f0": "é"}'
    assert read(jsonl, lines.encode(), schema_of(["int", "string"])) == [b"\x00\x02", b"\x00\x01", b"\x02\x04\xc3\xa9"]
    assert read(jsonl, b"", schema_of("int")) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "line 2: not JSON: "),
        (b"[" * 100_000, "line 2: not JSON: "),
        (b'{"f0": "\xff"}', "line 2: not JSON: "),
        (b"[1]", "line 2: [1]; expected an object"),
        (b'{"f0": "x"}', 'line 2: f0: "x"; expected a whole number of 32 bits'),
        (b'{"f1": 1}', "line 2: unknown field 'f1'; did you mean 'f0'?"),
        (b"[" + b"1," * 2**23, "line 2: more than 16,777,216 bytes; expected an object; `jq -c '.[]' FILE` converts"),
        (b"{", "line 2: not JSON: Expecting property name enclosed in double quotes at column 1; expected one JSON "),
        (b'{"f0": ' + b"9" * 5_000 + b"}", "line 2: not JSON: Exceeds the limit"),
        (b'{"f0": ' + b"[" * 500 + b"]" * 500 + b"}", "line 2: f0: [["),
    ],
)
def test_a_bad_line_is_named(jsonl: Path, line: bytes, said: str) -> None:
    assert refusal(jsonl, b'{"f0": 1}\n' + line + b'\n{"f0": 2}', schema_of("int")).startswith(f"events.jsonl, {said}")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"f0": 1}\n'.encode("utf-16"), "it is UTF-16 text; expected one JSON object a line, UTF-8"),
        ('{"f0": 1}\n'.encode("utf-16-be"), "it is UTF-16 or UTF-32 text"),
        (b"Obj\x01\x02", "it is an Avro container file; the name of such a file must end in .avro"),
        (b"\x1f\x8b\x08\x00", "it is compressed with gzip: decompress it first"),
        (b"PAR1", "it is a Parquet file"),
        (b"\x00\x00\x00\x00\x07", "it begins with 00 00 00 00 07"),
        (
            b'[\n {"f0": 1}\n]\n',
            "line 1: not JSON: Expecting value at column 1; expected an object; `jq -c '.[]' FILE`",
        ),
    ],
)
def test_a_file_that_is_not_lines_of_json_is_recognised(jsonl: Path, content: bytes, said: str) -> None:
    assert refusal(jsonl, content, schema_of("int")).startswith(
        f"events.jsonl{', ' if said.startswith('line') else ': '}{said}"
    )


def test_a_line_may_be_as_long_as_an_event(jsonl: Path) -> None:
    line = json.dumps({"f0": "x" * 2**25}).encode()
    with pytest.raises(BadEvent, match="line 1: more than 16,777,216 bytes"):
        read(jsonl, line, schema_of("string"))
    (body,) = read_events(jsonl, schema_of("string"), 10**7)
    assert len(body) == 2**25 + 4


@pytest.mark.parametrize("name", ["none.jsonl", "none.avro", "."])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadEvent, match=r"cannot be read: (No such file|Is a directory).*; expected a file of events"):
        list(read_events(tmp_path / name, schema_of("int")))


@pytest.mark.parametrize("codec", CODECS)
def test_a_container_in_any_codec_is_read(avro: Path, codec: str) -> None:
    events = [{"f0": number, "f1": "x" * number} for number in range(50)]
    content = container(declared("int", "string"), events, codec, block=100)
    schema = schema_of("int", "string")
    assert [Converter(schema).to_json(body) for body in read(avro, content, schema)] == events


RESOLVED: list[tuple[Any, Any, Any, Any]] = [  # the writer's type, ours, what was written, and plain JSON of ours
    ("int", "long", 5, 5),
    ("int", "double", 5, 5.0),
    ("long", "float", 5, 5.0),
    ("float", "double", 0.5, 0.5),
    ("string", "bytes", "é", "w6k="),
    ("bytes", "string", b"\xc3\xa9", "é"),
    ("int", ["null", "long"], 5, 5),
    (["null", "int"], "int", 5, 5),
    (["null", "int"], ["long", "null"], None, None),
    (["int", "string"], ["null", "string", "long"], "5", "5"),
    (LETTERS, MORE_LETTERS, "A", "A"),
    (LETTERS, {**MORE_LETTERS, "symbols": ["Z"], "default": "Z"}, "A", "Z"),
    (["null", LETTERS], MORE_LETTERS, "B", "B"),
    (["null", TWO], TWO, b"ab", "YWI="),
    (CARD, LARGER_CARD, {"number": 5}, {"spent": "AP8=", "number": 5}),
    (CARD, ["null", LARGER_CARD], {"number": 5}, {"spent": "AP8=", "number": 5}),
    (["null", CARD], LARGER_CARD, {"number": 5}, {"spent": "AP8=", "number": 5}),
    ([CARD, "null"], ["null", CARD], {"number": 5}, {"number": 5}),
    ({"type": "array", "items": "int"}, {"type": "array", "items": ["null", "long"]}, [1, 2], [1, 2]),
    ({"type": "map", "values": "int"}, {"type": "map", "values": "double"}, {"a": 1}, {"a": 1.0}),
    ("long", MILLIS, 1, "1970-01-01T00:00:00.001Z"),
    (MILLIS, "long", 2**62, 2**62),
]


@pytest.mark.parametrize(("theirs", "ours", "written", "plain"), RESOLVED)
def test_another_writers_schema_is_resolved(avro: Path, theirs: Any, ours: Any, written: Any, plain: Any) -> None:
    content = container(declared(gone="string", f0=theirs, f1="int"), [{"gone": "x", "f0": written, "f1": 7}])
    schema = schema_of(ours, "int")
    (body,) = read(avro, content, schema)
    assert repr(Converter(schema).to_json(body)) == repr({"f0": plain, "f1": 7})  # 5 is not 5.0


def test_a_field_unknown_to_the_writer_gets_its_default(avro: Path) -> None:
    defaults: list[tuple[Any, Any, Any]] = [  # a type, its default in the schema, and plain JSON of it
        (["null", "int"], None, None), (["bytes", "null"], "\u00ff", "/w=="), (TWO, "ab", "YWI="),
        (MONEY, "\x64", "1.00"), (MILLIS, 1, "1970-01-01T00:00:00.001Z"), ("double", 1, 1.0),
        (LARGER_CARD, {"number": 1}, {"spent": "AP8=", "number": 1}),
        ({"type": "array", "items": "Two"}, ["ab"], ["YWI="]),
        ({"type": "map", "values": "bytes"}, {"a": "\u00ff"}, {"a": "/w=="}),
    ]  # fmt: skip
    fields = [{"name": f"f{n}", "type": kind, "default": default} for n, (kind, default, _) in enumerate(defaults)]
    schema = Schema.parse(json.dumps({"type": "record", "name": "Event", "fields": fields}), "event.avsc")
    (body,) = read(avro, container(declared(gone="int"), [{"gone": 1}]), schema)
    assert Converter(schema).to_json(body) == {f"f{n}": plain for n, (_, _, plain) in enumerate(defaults)}


@pytest.mark.parametrize(
    ("theirs", "written", "said"),
    [
        (declared("string"), {"f0": "x"}, ": f0: string in the file, int in the schema; expected a type"),
        (declared(f1="int"), {"f1": 1}, ": f0: the file has no such field; expected one, or a default in the schema"),
        (declared("long"), {"f0": 1}, ": f0: long in the file, int in the schema"),
        (declared(["null", "int"]), {"f0": None}, ", block 1, event 1: f0: null in the file, int in the schema"),
        (declared(["null", LETTERS]), {"f0": "A"}, ", block 1, event 1: f0: enum 'Letter' in the file, int in the"),
    ],
)
def test_a_schema_that_cannot_be_resolved_is_an_error(avro: Path, theirs: Any, written: Any, said: str) -> None:
    told = refusal(avro, container(theirs, [written]), schema_of("int"))
    assert told.startswith(f"events.avro{said}")
    assert "; expected" in told


@settings(max_examples=50)
@given(case=cases(), data=st.data())
def test_a_container_of_the_same_schema_returns_its_bytes_unchanged(
    tmp_path_factory: pytest.TempPathFactory, case: Case, data: st.DataObject
) -> None:
    events = data.draw(st.lists(values(case.schema), min_size=1, max_size=3))
    path = tmp_path_factory.getbasetemp() / "random.avro"
    bodies = read(path, container(bare(case.schema), events), Schema.parse(case.text, "event.avsc"))
    assert bodies == [write(case.schema, event) for event in events]


@settings(max_examples=50)
@given(case=cases(wide=False), data=st.data())  # of several types, the value takes the first that fits it
def test_events_have_the_readers_order_of_fields(
    tmp_path_factory: pytest.TempPathFactory, case: Case, data: st.DataObject
) -> None:
    events = data.draw(st.lists(values(case.schema), min_size=1, max_size=3))
    path = tmp_path_factory.getbasetemp() / "random.avro"
    fields = data.draw(st.permutations(case.schema["fields"]))
    theirs, ours = (
        Schema.parse(json.dumps(case.schema | {"fields": each}), "event.avsc")
        for each in (case.schema["fields"], fields)
    )
    for event, body in zip(events, read(path, container(bare(case.schema), events), ours), strict=True):
        assert Converter(ours).to_json(body) == Converter(theirs).to_json(write(case.schema, event))


NUMBERS = container(declared("int"), [{"f0": number} for number in range(64, 164)], block=100)  # of two bytes each
SYNC = NUMBERS[-16:]
HEAD, *BLOCKS = NUMBERS.split(SYNC)[:-1]
COUNT, SIZE, CONTENT = BLOCKS[0][:1], BLOCKS[0][1:3], BLOCKS[0][3:]


def block(count: bytes = COUNT, size: bytes = SIZE, content: bytes = CONTENT, sync: bytes = SYNC) -> bytes:
    """A container with one block."""
    return HEAD + SYNC + count + size + content + sync


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ": the file is empty; expected an Avro container file"),
        (b'{"f0": 1}', ": it looks like JSON; the name of such a file must end in .jsonl"),
        (b"\x1f\x8b\x08", ": it is compressed with gzip"),
        (b"Obj\x02" + NUMBERS[4:], ": it is an Avro container file of an unknown version"),
        (b"Oj\x01\x02" + NUMBERS[4:], ": it begins with 4f 6a 01 02"),
        (HEAD[:40], ": the file ends too early"),
        (NUMBERS[:-1], ", block 2: the file ends too early"),
        (NUMBERS[:-20], ", block 2: the file ends too early"),
        (
            NUMBERS.replace(b"null", b"null"[::-1], 1),
            ": it is compressed with 'llun'; expected one of bzip2, deflate, null",
        ),
        (NUMBERS.replace(b"null", b"nul\xff", 1), ": avro.codec in its header is not UTF-8 at byte 3"),
        (NUMBERS.replace(b'"int"', b'"i\xffn"'), ": avro.schema in its header is not UTF-8 at byte "),
        (NUMBERS.replace(b'"int"', b'"inn"'), ", its own schema: field 'f0': unknown type 'inn'"),
        (NUMBERS.replace(b"avro.schema", b"avro.schem_"), ": its header has no avro.schema"),
        (b"Obj\x01" + varint(2) + varint(2**40), ": its header has an entry of 1099511627776 bytes"),
        (b"Obj\x01" + b"\xff" * 11, ": a number of more than 64 bits"),
        (block(sync=SYNC[::-1]), ", block 1: it is not followed by the sync marker"),
        (block(count=varint(49)), ", block 1, event 50: the block has 2 bytes after its last event"),
        (block(count=varint(51)), ", block 1, event 51: f0: an int begins at byte 0, and the value ends at byte 0"),
        (block(count=varint(2**62)), ", block 1: 4,611,686,018,427,387,904 events in 100 bytes"),
        (block(count=varint(-1)), ", block 1: -1 events in 100 bytes"),
        (block(size=varint(2**62)), ", block 1: it has 4611686018427387904 bytes"),
        (block(size=varint(-1)), ", block 1: 50 events in -1 bytes"),
        (block(content=b"\xff" * 100), ", block 1, event 1: f0: a number of more than 64 bits at byte 0"),
    ],
)
def test_a_broken_container_is_an_error_with_its_location(avro: Path, content: bytes, said: str) -> None:
    told = refusal(avro, content, schema_of("int"))
    assert told.startswith(f"events.avro{said}")
    assert "; expected" in told or "decompress it first" in told
    assert len(told) < 300
