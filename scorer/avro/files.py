"""Reads files of events as bodies of a schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fastavro import block_reader

from scorer.avro.jsonl import BadEvent, Converter
from scorer.avro.resolution import Resolution
from scorer.avro.schema import Schema

_LONGEST = 200  # characters of what fastavro says, which may show whole schemas


def read_events(path: Path, schema: Schema) -> Iterator[bytes]:
    """Yield the Avro body of each event of a file, in its order.

    Args:
        path: an Avro object container file where its name ends in `.avro`, else one JSON object a line.
        schema: of the bodies. A container's own schema is resolved to it as Avro does.

    Raises:
        BadEvent: the file cannot be read, or an event does not fit the schema; says which.
    """
    try:
        with path.open("rb") as file:
            read = _read_container if path.suffix == ".avro" else _read_lines
            yield from read(file, path.name, schema)
    except OSError as error:
        raise BadEvent(str(path), f"cannot be read: {error.strerror}", "expected a file of events") from None


def _read_lines(file: BinaryIO, name: str, schema: Schema) -> Iterator[bytes]:
    converter = Converter(schema)
    for number, line in enumerate(file, 1):
        where = f"{name}, line {number}"
        if not line.strip():
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadEvent(where, f"not JSON: {error}", "expected one JSON object a line") from None
        yield converter.to_avro(event, where)


def _read_container(file: BinaryIO, name: str, schema: Schema) -> Iterator[bytes]:
    where = name
    try:
        blocks: Any = block_reader(file)
        resolution = Resolution(blocks.writer_schema, schema)
        number = 0
        for block in blocks:
            for _ in range(block.num_records):
                number += 1
                where = f"{name}, event {number}"
                yield resolution.read(block.bytes_)
            _expect_end(block.bytes_)
    except Exception as error:  # noqa: BLE001  fastavro raises whatever its parts do
        what = f"{type(error).__name__}: {error}"[:_LONGEST].rstrip(": ")
        raise BadEvent(where, what, "expected Avro that the schema can read") from None


def _expect_end(block: BinaryIO) -> None:
    if left := len(block.read()):
        raise ValueError(f"the block has {left} bytes behind its last event")
