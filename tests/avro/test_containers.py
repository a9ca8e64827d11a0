"""Container files as strangers and attackers write them: read, or refused at once with the block and the event."""

import bz2
import json
import lzma
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scorer.avro import BadEvent, Converter, Schema, read_events
from scorer.avro.files import codecs
from scorer.batch import Reason
from tests.avro.batches import declared, decode, only, schema_of, varint
from tests.avro.containers import container, deflate, snappy, text, zstandard

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "deflate": deflate,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "snappy": snappy,
    "zstandard": zstandard,
}
LIST: Any = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
TREE: Any = {
    "type": "record",
    "name": "Tree",
    "fields": [{"name": "parts", "type": {"type": "array", "items": "Tree"}}],
}
NULLS: Any = {"type": "array", "items": "null"}
ENDLESS: Any = {"type": "record", "name": "Endless", "fields": [{"name": "again", "type": "Endless"}]}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[bytes]]:
    def run(content: bytes, *types: Any, **named: Any) -> list[bytes]:
        path = tmp_path / "events.avro"
        path.write_bytes(content)
        return list(read_events(path, schema_of(*types, **named)))

    return run


@pytest.fixture
def refusal(read: Callable[..., list[bytes]]) -> Callable[..., str]:
    """What is said of a container, for which no more than a few times its limit is kept in memory."""

    def run(content: bytes, *types: Any, **named: Any) -> str:
        tracemalloc.start()
        try:
            with pytest.raises(BadEvent) as caught:
                read(content, *types, **named)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 20 * 10**6 + 3 * codecs.LARGEST_BLOCK
        said = str(caught.value)
        assert len(said) < 300
        return said

    return run


@pytest.mark.parametrize("codec", PACKERS)
def test_every_codec_is_read(codec: str, read: Callable[..., list[bytes]]) -> None:
    packed = PACKERS[codec](b"\x02\x04\x06")
    assert read(container(declared("int"), (3, packed), codec=codec), "int") == [b"\x02", b"\x04", b"\x06"]


@pytest.mark.parametrize("codec", PACKERS)
def test_an_oversized_block_is_refused_before_it_is_decompressed(
    codec: str, refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codecs, "LARGEST_BLOCK", 10**6)
    bomb = PACKERS[codec](bytes(10**7))
    assert len(bomb) < 10**6
    content = container(declared("int"), (1, PACKERS[codec](b"\x02")), (10**7, bomb), codec=codec)
    assert refusal(content, "int").startswith(
        "events.avro, block 2: it decompresses to more than 1,000,000 bytes; expected"
    )


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize("damage", [lambda packed: packed[:-1], lambda _: b"", lambda _: b"\xff" * 20])
def test_a_block_that_cannot_be_decompressed_is_named(
    codec: str, damage: Callable[[bytes], bytes], refusal: Callable[..., str]
) -> None:
    packed = damage(PACKERS[codec](b"\x02" * 100))
    assert refusal(container(declared("int"), (100, packed), codec=codec), "int").startswith("events.avro, block 1: it")


def test_a_checksum_of_snappy_is_checked(refusal: Callable[..., str]) -> None:
    packed = snappy(b"\x02")[:-4] + bytes(4)
    said = refusal(container(declared("int"), (1, packed), codec="snappy"), "int")
    assert said.startswith("events.avro, block 1: its checksum is wrong")


@pytest.mark.parametrize("codec", ["snappy", "zstandard"])
def test_a_codec_that_needs_a_package_names_the_extra(
    codec: str, refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    said = refusal(container(declared("int"), codec=codec), "int")
    assert said.startswith(f"events.avro: it is compressed with {codec}; pip install 'scorer[files]'")


def test_metadata_need_not_be_text(read: Callable[..., list[bytes]]) -> None:
    content = container(declared("int"), (1, b"\x02"), metadata={"avro.sync": b"\xd7" * 16, "user": b"\xff"})
    assert read(content, "int") == [b"\x02"]


def test_invalid_values_are_left_to_the_decoder_as_in_the_stream(read: Callable[..., list[bytes]]) -> None:
    enum = {"type": "enum", "name": "E", "symbols": ["A"]}
    rows = [
        b"\x02\x01\x00\x02a",
        b"\x02\x07\x00\x02a",
        b"\x02\x00\x08\x02a",
        varint(2**40) + b"\x00\x00\x02a",
        b"\x02\x00\x00\x02\xff",
    ]
    content = container(declared("int", "boolean", enum, "string"), (len(rows), b"".join(rows)))
    types = "int", "boolean", enum, "string"
    assert read(content, *types) == rows
    events = decode(schema_of(*types), *rows, used=("f0",))
    assert [each.row for each in events.rejected] == [1, 2, 3]
    assert only(decode(schema_of(*types), rows[4], used=("f3",)))[0] == Reason.BAD_VALUE
    more = read(
        container(declared("int", "boolean", enum, "string", gone="string"), (1, rows[4] + b"\x02\xff")), *types
    )
    assert more == [rows[4]]


def test_the_number_of_events_without_bytes_is_bounded(
    read: Callable[..., list[bytes]], refusal: Callable[..., str]
) -> None:
    empty = declared("null")
    said = refusal(container(empty, (2**60, b"")), "null")
    assert said.startswith("events.avro, block 1: 1,152,921,504,606,846,976 events in 0 bytes; expected")
    assert refusal(container(empty, *[(10**4, b"")] * 11), "null").startswith("events.avro, block 11: 10,000 events in")
    assert read(container(empty, (3, b"")), "null") == [b""] * 3


@pytest.mark.parametrize("depth", [0, 1, 20_000])
@pytest.mark.parametrize(("kind", "deeper"), [(LIST, b"\x02"), (TREE, b"\x02"), (TREE, b"\x01\x02")])
def test_a_recursive_type_in_an_unused_field_is_skipped(
    kind: Any, deeper: bytes, depth: int, read: Callable[..., list[bytes]]
) -> None:
    sized = deeper == b"\x01\x02"
    value = b"\x00" if kind is LIST else b"\x00" * (depth + 1)
    if sized:  # each block is skipped by its size, of which only the outermost counts
        inner = b"\x00" * depth
        value = (b"\x01" + text(inner) if inner else b"") + b"\x00"
    else:
        value = deeper * depth + value
    content = container(
        declared(gone=kind, f0="int", last=LIST["name"] if kind is LIST else "Tree"),
        (2, (value + b"\x0e" + b"\x00") * 2),
    )
    assert read(content, "int") == [b"\x0e", b"\x0e"]


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (LIST, b"\x02" * 10**4 + b"\x03", "gone: branch -2 of a union of 2"),
        (TREE, b"\x02" * 10**6, "gone: values nested more than 100,000 deep"),
        (TREE, varint(2**50), "gone: 1125899906842624 items where 1 bytes are left"),
        (ENDLESS, b"", "gone: values nested more than 100,000 deep"),
        (LIST, b"\x04", "gone: branch 2 of a union of 2"),
        ("string", varint(2**40), "gone: 1099511627776 bytes where 1 are left"),
        ("string", varint(-1), "gone: a length of -1"),
        ("long", b"\xff" * 11, "gone: a number of more than 64 bits"),
        ({"type": "array", "items": "int"}, varint(-1) + varint(2**40), "gone: 1099511627776 bytes where 1 are left"),
    ],
)
def test_a_field_that_cannot_be_skipped_is_named(
    kind: Any, value: bytes, said: str, refusal: Callable[..., str]
) -> None:
    content = container(declared(gone=kind, f0="int"), (1, value + b"\x0e"))
    assert refusal(content, "int").startswith(f"events.avro, block 1, event 1: {said}")


# Types, a value with so many items of theirs, and what takes them; two of them only in Python.
LONG_ARRAYS: list[Any] = [
    pytest.param({"gone": TREE, "f0": "int"}, "int", id="recursive"),
    pytest.param({"gone": {"type": "array", "items": ["null", "int"]}, "f0": "int"}, "int", id="skipped"),
    pytest.param({"f0": {"type": "array", "items": "int"}}, {"type": "array", "items": "double"}, id="converted"),
]


@pytest.mark.parametrize(("theirs", "ours"), LONG_ARRAYS)
def test_a_small_block_of_many_values_is_read_or_refused_in_bounded_steps(
    theirs: Any, ours: Any, read: Callable[..., list[bytes]]
) -> None:
    end = b"\x00\x0e" if "gone" in theirs else b"\x00"
    few, many = (varint(number) + bytes(number) + end for number in (2_000, 2_000_000))
    assert len(read(container(declared(**theirs), (3, deflate(few * 3)), codec="deflate"), ours)) == 3
    content = container(declared(**theirs), (10, deflate(many * 10)), codec="deflate")
    assert len(content) < 100_000
    if theirs.get("gone", TREE) is TREE:
        with pytest.raises(
            BadEvent, match=r"event 1: .*the block decompresses to more values than can be read in reasonable"
        ):
            read(content, ours)
    else:  # what needs no step in Python may be as long as a block
        assert read(content, ours) == [b"\x0e"] * 10


def test_a_large_valid_block_is_read(read: Callable[..., list[bytes]]) -> None:
    tree = varint(3) + bytes(4)
    events = 40_000
    content = container(declared(gone=TREE, f0="int"), (events, deflate((tree + b"\x0e") * events)), codec="deflate")
    assert read(content, "int") == [b"\x0e"] * events


def test_nested_arrays_without_bytes_are_bounded_together(refusal: Callable[..., str]) -> None:
    theirs, ours = ({"type": "array", "items": {"type": "array", "items": item}} for item in ("null", ["null", "int"]))
    content = container(declared(theirs), (1, varint(50_000) + (varint(90_000) + b"\x00") * 50_000 + b"\x00"))
    assert "event 1: f0: more than 100,000 items without bytes" in refusal(content, ours)


def test_a_header_with_too_many_entries_is_refused(refusal: Callable[..., str]) -> None:
    lines = b"Obj\x01" + varint(10**6) + bytes(2 * 10**6) + b"\x00" + bytes(16)
    assert refusal(lines, "int").startswith("events.avro: its header has more than 10,000 entries; expected")


def test_a_recursive_type_is_read_as_deep_as_the_readers_schema(read: Callable[..., list[bytes]]) -> None:
    ours = {
        "type": "record",
        "name": "Node",
        "fields": [{"name": "next", "type": ["null", {"type": "record", "name": "End", "fields": []}]}],
    }
    content = container(declared(f0=LIST), (2, b"\x00" + b"\x02\x02\x00"))
    assert read(content, ours) == [b"\x00", b"\x02"]


@pytest.mark.parametrize("ours", [[NULLS], []], ids=["in our schema", "not in ours"])
def test_an_array_of_many_nulls_takes_no_time(ours: list[Any], read: Callable[..., list[bytes]]) -> None:
    many = varint(2**50) + b"\x00"
    if not ours:
        assert read(container(declared(gone=NULLS, f0="int"), (1, many + b"\x0e")), f0="int") == [b"\x0e"]
        return
    with pytest.raises(BadEvent, match="event 1: f0: a block of 1125899906842624 items at byte 0, where 1 bytes"):
        read(container(declared(NULLS), (1, many)), NULLS)
    with pytest.raises(BadEvent, match="event 1: f0: more than 100,000 items without bytes"):
        read(container(declared(NULLS), (1, many)), {"type": "array", "items": ["null", "int"]})


def test_defaults_cannot_make_an_event_larger_than_a_block_may_be(refusal: Callable[..., str]) -> None:
    item = {"type": "record", "name": "Item", "fields": [{"name": "n", "type": "null"}]}
    long = {**item, "fields": [*item["fields"], {"name": "text", "type": "string", "default": "x" * 10**5}]}
    content = container(declared({"type": "array", "items": item}), (1, varint(9 * 10**4) + b"\x00"))
    said = refusal(content, {"type": "array", "items": long})
    assert said.startswith("events.avro, block 1, event 1: f0: more than 134,217,728 bytes with the defaults")


def test_an_overlong_header_entry_is_refused(refusal: Callable[..., str]) -> None:
    endless = b"Obj\x01" + varint(2**60) + (text(b"k") + text(b"v" * 10**6)) * 20
    assert refusal(endless, "int").startswith("events.avro: its header has an entry of 1000000 bytes; expected at most")


def test_names_in_a_file_may_be_anything(read: Callable[..., list[bytes]]) -> None:
    theirs = {"type": "record", "name": "top-level", "namespace": "a-b.c", "fields": [{"name": "f0", "type": "int"}]}
    theirs["fields"] += [{"name": "x y", "type": {"type": "enum", "name": "E E", "symbols": ["a b"]}, "default": 7}]  # type: ignore[operator]
    assert read(container(theirs, (1, b"\x0e\x00")), "int") == [b"\x0e"]


def test_a_file_whose_top_level_is_a_union_of_records_is_read(read: Callable[..., list[bytes]]) -> None:
    other = {"type": "record", "name": "Other", "fields": [{"name": "f1", "type": "string"}]}
    assert read(container([other, declared("int")], (1, b"\x02\x0e")), "int") == [b"\x0e"]
    with pytest.raises(BadEvent, match=r"block 1, event 1: the event: .* no such field"):
        read(container([other, declared("int")], (1, b"\x00\x02a")), "int")


def test_events_of_a_container_are_resolved_to_the_readers_schema(tmp_path: Path) -> None:
    schema = Schema.parse(json.dumps(declared("string", ["null", "double"])), "event.avsc")
    path = tmp_path / "events.avro"
    path.write_bytes(container(declared("string", ["double", "null"]), (2, b"\x02a\x02" + b"\x02b\x00" + bytes(8))))
    events = [Converter(schema).to_json(body) for body in read_events(path, schema)]
    assert events == [{"f0": "a", "f1": None}, {"f0": "b", "f1": 0.0}]
