"""Resolution by three: ours, Avro for Java and fastavro, on families of random schemas and on the cases by hand."""

import io
import json
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import fastavro
import numpy as np
import pytest

from scorer.avro import Schema
from scorer.avro.decode.splitting import Block
from scorer.avro.evolution.resolution import Resolution
from scorer.avro.evolution.skipping import Broken
from scorer.avro.program.reading import Fault
from scorer.avro.schema.reader import read_schema
from scorer.avro.types.grammar import Record
from scorer.avro.types.likeness import Unresolvable
from scorer.batch import Events, Kind
from tests.avro.batches import declared, records
from tests.avro.evolution import at, held, read_by, same
from tests.avro.java import Java
from tests.avro.schemas import bare, scalars
from tests.avro.test_resolution import RESOLVED
from tests.fuzz.decoding import Watched
from tests.fuzz.families import Family, family
from tests.fuzz.modes import Identified
from tests.fuzz.oracle import expected, needed

pytestmark = pytest.mark.prove
FAMILIES = 150
VALUES = 6  # of each writer

DEEP = "values of a recursive type inside each other, more than the decoder passes over"
# What the decoder refuses and another accepts, and why: by our fault, and who accepts. There is nothing else, and
# nothing that the decoder accepts and another refuses.
STRICTER = {
    (Fault.TOO_DEEP, "Java"): DEEP,
    (Fault.TOO_DEEP, "fastavro"): DEEP,
    (Fault.BAD_UTF8, "Java"): "bytes that a reader has as a string: Java replaces what is not UTF-8",
    (Fault.LONG_DECIMAL, "Java"): "the schemas that the others are given have no logical types",
    (Fault.LONG_DECIMAL, "fastavro"): "the schemas that the others are given have no logical types",
}


@pytest.fixture(scope="module")
def java() -> Iterator[Java]:
    with Java() as process:
        yield process


@pytest.mark.parametrize(("theirs", "value", "ours", "body"), RESOLVED)
def test_what_resolves_by_hand_does_so_in_java(theirs: Any, value: bytes, ours: Any, body: bytes, java: Java) -> None:
    (answer,) = java.resolve(declared(theirs, last="int"), declared(ours, last="int"), [value + b"\x0e"])
    assert answer["body"] == (body + b"\x0e").hex()


def test_columns_are_what_java_and_fastavro_resolve(java: Java) -> None:
    seen: Counter[str] = Counter()
    for seed in range(FAMILIES):
        made = family(random.Random(seed))  # noqa: S311  no secrets
        reader = bare(needed(made.reader, set(made.used)))  # as the decoder, which resolves no other fields
        ours = fastavro.parse_schema(reader)
        for number, writer in enumerate(made.writers):
            events, faults = decoded(made, number)
            theirs = fastavro.parse_schema(bare(writer.schema))
            answers = java.resolve(bare(writer.schema), reader, writer.bodies[:VALUES])
            for row, answer in enumerate(answers):
                other = read_by(theirs, ours, writer.bodies[row])
                fault = Fault(faults[row]) if faults[row] else None
                seen["read" if fault is None else fault.name] += 1
                agree(events, row, fault, {"Java": answer.get("event"), "fastavro": other}, made)
    assert seen["read"] > 1_000
    assert seen["UNRESOLVED"] > 100


def decoded(made: Family, number: int) -> tuple[Events, list[int]]:
    """The first events of a writer, and their faults."""
    schema = Schema.parse(json.dumps(made.reader), "reader.avsc")
    mode = Identified(made, schema)
    values = [mode.prefix(number) + body for body in made.writers[number].bodies[:VALUES]]
    found = Watched(schema, made.used, mode.framing).watch(records(values))
    return found.events, found.faults.tolist()


def agree(events: Events, row: int, fault: Fault | None, theirs: dict[str, Any], made: Family) -> None:
    kinds = dict(scalars(made.reader))
    for name, event in theirs.items():
        if fault is not None:
            refused = event is None or isinstance(event, Exception)
            assert refused or (fault, name) in STRICTER, (fault, name, event)
            continue
        assert isinstance(event, dict), (name, event, made.reader)
        for path, column in events.columns.items():
            raw, kind = at(event, path), kinds[path]
            assert bool(column.null[row]) == (raw is None), (name, path)
            if column.field.kind != Kind.BYTES:
                assert same(held(events, column, row), expected(kind, raw), kind), (name, path, raw)


def test_bodies_of_files_are_what_java_writes(java: Java) -> None:
    seen: Counter[str] = Counter()
    for seed in range(FAMILIES):
        made = family(random.Random(seed))  # noqa: S311  no secrets
        reader, view = bare(made.reader), Schema.parse(json.dumps(bare(made.reader)), "reader.avsc").record
        ours = fastavro.parse_schema(reader)
        for writer in made.writers:
            bodies, schema = writer.bodies[:VALUES], bare(writer.schema)
            theirs = fastavro.parse_schema(schema)
            found = rewritten(schema, view, bodies)
            for body, own, answer in zip(bodies, found, java.resolve(schema, reader, bodies), strict=True):
                assert (own and own.hex()) == answer.get("body"), (schema, reader, body.hex(), answer)
                seen["refused" if own is None else like_fastavro(own, read_by(theirs, ours, body), ours)] += 1
    assert seen["same"] > 1_000
    assert seen["refused"] > 100
    assert seen["same"] > 20 * seen["not UTF-8"]


def rewritten(writer: Any, reader: Record, bodies: Sequence[bytes]) -> list[bytes | None]:
    """Bodies by the reader's schema, as of a file that the writer has written; None for one that does not resolve."""
    try:
        resolution = Resolution(read_schema(json.dumps(writer), "writer.avsc", foreign=True).kind, reader)
    except Unresolvable:
        return [None] * len(bodies)
    return [one(resolution, body) for body in bodies]


def one(resolution: Resolution, body: bytes) -> bytes | None:
    try:
        (own,) = resolution.split(Block("block", 1, len(body), body))
    except Broken:
        return None
    return own


def like_fastavro(ours: bytes, event: Any, reader: Any) -> str:
    """Check that a body is what fastavro resolves, unless that is not UTF-8: the decoder refuses it later."""
    if isinstance(event, UnicodeDecodeError):
        return "not UTF-8"
    assert equal(fastavro.schemaless_reader(io.BytesIO(ours), reader, None), event), (reader, ours.hex(), event)
    return "same"


def equal(ours: Any, theirs: Any) -> bool:  # noqa: PLR0911  one a pair of types
    """Whether two events are equal, but for two habits of fastavro.

    It does not round a number that is promoted to a float. Of a reader's union it takes the first branch that the value
    can become; Java and ours look for the same type first.
    """
    match ours, theirs:
        case dict(), dict():
            return ours.keys() == theirs.keys() and all(equal(ours[key], theirs[key]) for key in ours)
        case list(), list():
            return len(ours) == len(theirs) and all(map(equal, ours, theirs))
        case float(), float() if ours != theirs:
            with np.errstate(over="ignore"):
                return (math.isnan(ours) and math.isnan(theirs)) or ours == float(np.float32(theirs))
        case int(), float():
            return float(ours) == theirs
        case str(), bytes():
            return ours.encode() == theirs
        case bytes(), str():
            return ours == theirs.encode()
        case _:
            return bool(ours == theirs)
