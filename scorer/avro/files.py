"""Reads files of events as bodies of a schema."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fastavro import block_reader, schemaless_reader, schemaless_writer
from fastavro.schema import to_parsing_canonical_form

from scorer.avro.jsonl import BadEvent, Converter
from scorer.avro.schema import Schema

_DROPPED = frozenset({"logicalType", "__fastavro_parsed", "__named_schemas"})


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
        ours, theirs = _bare(schema.parsed), _bare(blocks.writer_schema)
        same = to_parsing_canonical_form(ours) == to_parsing_canonical_form(theirs)
        number = 0
        for block in blocks:
            for _ in range(block.num_records):
                number += 1
                where = f"{name}, event {number}"
                begin = block.bytes_.tell()
                event = schemaless_reader(block.bytes_, theirs, ours, return_record_name=True, return_named_type=True)
                yield block.bytes_.getvalue()[begin : block.bytes_.tell()] if same else _body(event, ours)
    except Exception as error:  # noqa: BLE001  fastavro raises whatever its parts do
        raise BadEvent(where, f"{type(error).__name__}: {error}", "expected Avro that the schema can read") from None


def _body(event: Any, schema: Any) -> bytes:  # noqa: ANN401  fastavro's
    out = io.BytesIO()
    schemaless_writer(out, schema, event)
    return out.getvalue()


def _bare(schema: Any) -> Any:  # noqa: ANN401  JSON
    """Return a schema without logical types, whose conversions lose what Python's types cannot hold."""
    match schema:
        case dict():
            return {key: _bare(value) for key, value in schema.items() if key not in _DROPPED}
        case list():
            return [_bare(branch) for branch in schema]
        case _:
            return schema
