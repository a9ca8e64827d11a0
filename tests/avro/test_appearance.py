"""A value that is evidently something else is a dead letter whose detail says so."""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import zlib
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.batch import Reason
from tests.avro.batches import declared, decode, frame, only, schema_of

FIELDS: dict[str, Any] = {"id": "string", "amount": "double", "tags": {"type": "array", "items": "string"}}
FIELDS["note"] = ["null", "string"]
EVENT = {"id": "a", "amount": 1.5, "tags": ["x"], "note": None}
SCHEMA, OTHER = schema_of(**FIELDS), schema_of("long", "long", "long")


def body() -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(declared(**FIELDS)), EVENT)
    return out.getvalue()


def container() -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(declared(**FIELDS)), [EVENT])
    return out.getvalue()


def detail(value: bytes, framing: str = "none", max_bytes: int = 100_000) -> str:
    reason, said = only(decode(SCHEMA, value, framing=framing, max_bytes=max_bytes))
    assert reason in Reason
    return said


REGISTRY = "an event in the framing of a schema registry (Confluent's), with schema id"
MAYBE = "this could be the framing of a schema registry (Confluent's), with schema id"
EVIDENT = {
    "registry": (b"\x00" + (7).to_bytes(4, "big") + body(), f"{REGISTRY} 7: set events.framing: confluent"),
    "large id": (b"\x00" + (100_042).to_bytes(4, "big") + body(), f"{REGISTRY} 100042: "),
    "other schema": (b"\x00" + (7).to_bytes(4, "big") + b"\xff\xff\xff", f"{MAYBE} 7 and another schema: if so, "),
    "container": (container(), "an Avro container file: write the body of each event by itself"),
    "gzip": (gzip.compress(body()), "gzip data: Kafka compresses by itself"),
    "zlib": (zlib.compress(body() * 9), "zlib data"),
    "bzip2": (bz2.compress(body()), "bzip2 data"),
    "xz": (lzma.compress(body()), "xz data"),
    "zstandard": (b"\x28\xb5\x2f\xfd\x20\x0d", "Zstandard data"),
    "snappy": (b"\xff\x06\x00\x00sNaPpY\x01", "Snappy data"),
    "snappy of Java": (b"\x82SNAPPY\x00\x00\x00\x00\x01", "Snappy data"),
    "lz4": (b"\x04\x22\x4d\x18\x64", "LZ4 data"),
    "zip": (b"PK\x03\x04\x14", "a zip file"),
    "parquet": (b"PAR1\x15\x04", "a Parquet file"),
    "java": (b"\xac\xed\x00\x05sr", "a serialized Java object"),
    "json": (json.dumps(EVENT).encode(), "JSON text: write the event in Avro"),
    "indented json": (b"\xef\xbb\xbf\n" + json.dumps(EVENT, indent=2).encode() + b"\n", "JSON text"),
    "json array": (b"[1, 2]", "JSON text"),
    "json string": (b'"AmE"', "JSON text"),
    "large json": (json.dumps([EVENT] * 2_000).encode(), "JSON text"),
    "xml": (b"<?xml version='1.0'?><event/>\n", "XML"),
    "utf-16": ("event 1".encode("utf-16"), "UTF-16 text"),
    "utf-16 without mark": ('{"id": "a"}'.encode("utf-16-be"), "UTF-16 text"),
    "base64": (base64.b64encode(body()), "an event as base64 text"),
    "base64 for addresses": (base64.urlsafe_b64encode(body()), "an event as base64 text"),
    "hexadecimal": (body().hex().encode(), "an event as hexadecimal text"),
    "white space": (b" \r\n", "this is white space"),
}


@pytest.mark.parametrize("name", EVIDENT)
@pytest.mark.parametrize("framing", ["none", "single-object"])
def test_the_detail_names_the_evident_format_of_a_value(name: str, framing: str) -> None:
    value, said = EVIDENT[name]
    assert said in detail(value, framing)


def test_the_detail_of_an_oversized_value_names_its_format_too() -> None:
    said = detail(container(), max_bytes=10)
    assert said.startswith(f"the value has {len(container())} bytes; expected at most 10; this looks like an Avro cont")


def test_single_object_encoding_is_reported_with_its_fingerprint_and_schema() -> None:
    ours, theirs = SCHEMA.fingerprint.hex(" "), OTHER.fingerprint.hex(" ")
    said = "this looks like single-object encoding (fingerprint"
    assert f"{said} {ours}, of this schema): set events.framing: single-object" in detail(
        frame(body(), SCHEMA, "single-object")
    )
    assert f"{said} {theirs}, of another schema): set events.framing: single-object, and the writer's schema" in detail(
        frame(body(), OTHER, "single-object")
    )


def test_an_event_without_its_framing_is_recognised() -> None:
    assert detail(body(), "single-object").endswith(
        "; this is an event without framing: set events.framing: none, or have the producer frame it"
    )


@pytest.mark.parametrize(
    "value",
    [
        body()[:-1],
        body() + b"x",
        b"\x02a" + bytes(8) + b"\x01",
        b"\x00",
        b"\x00" * 9,
        b"\x02",
        b"{",
        b"{no json}",
        b"<",
        b"x\x9cnot zlib",
        b"abcd",
        pickle.dumps(EVENT),
    ],
    ids=repr,
)
def test_an_uncertain_format_is_not_named(value: bytes) -> None:
    said = detail(value)
    assert "this " not in said


@given(st.sampled_from([each for each, _ in EVIDENT.values()]), st.data())
def test_a_damaged_value_of_any_kind_is_rejected_with_a_printable_detail(value: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(value) - 1))
    damaged = value[:at] + data.draw(st.binary(max_size=4)) + value[data.draw(st.integers(at, len(value))) :]
    for framing in ("none", "single-object"):
        for rejected in decode(SCHEMA, damaged, framing=framing).rejected:
            assert rejected.detail.isprintable()
