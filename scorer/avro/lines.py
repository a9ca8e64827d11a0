"""Reads lines of JSON as events."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from scorer.avro.jsonl import BadEvent, Converter
from scorer.avro.schema import Schema
from scorer.avro.showing import shown
from scorer.avro.signatures import is_foreign, looks_like

LONGEST_LINE = 2**24  # bytes, where events may not be longer
_TEXT_BYTES = 8  # of JSON for a byte of Avro, in events so long that this counts
_HEAD = 64  # bytes


def read_lines(file: BinaryIO, name: str, schema: Schema, max_bytes: int) -> Iterator[bytes]:
    """Yield the Avro body of the event of each line.

    Args:
        file: one JSON object a line, UTF-8; lines of white space are passed over.
        name: what errors call it.
        schema: of the bodies.
        max_bytes: of an event; a line may be much longer than one.

    Raises:
        BadEvent: a line is not an event of the schema, or far too long; says which.
    """
    converter, longest = Converter(schema), max(LONGEST_LINE, _TEXT_BYTES * max_bytes)
    number = 0
    while line := file.readline(longest + 1):
        number += 1
        where = f"{name}, line {number}"
        if number == 1 and is_foreign(line[:_HEAD]):
            raise BadEvent(name, looks_like(line[:_HEAD]), "expected one JSON object a line, UTF-8")
        if len(line) > longest:
            hint = _advice(line) or "expected one event a line"
            raise BadEvent(where, f"more than {longest:,} bytes", hint)
        if line.strip():
            yield converter.to_avro(_parse(line, where), where)


def _parse(line: bytes, where: str) -> Any:  # noqa: ANN401  JSON
    try:
        event = json.loads(line)
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg} at column {error.colno}"
        raise BadEvent(where, what, _advice(line) or "expected one JSON object a line") from None
    except (ValueError, RecursionError) as error:
        raise BadEvent(where, f"not JSON: {error}", "expected one JSON object a line") from None
    if isinstance(event, list):
        raise BadEvent(where, shown(event), _advice(b"[") or "")
    return event


def _advice(line: bytes) -> str:
    """Say how to make lines of JSON that is not one object a line."""
    begin = line.strip()
    if begin.startswith(b"["):
        return "expected an object; `jq -c '.[]' FILE` makes lines of a list"
    if begin == b"{":
        return "expected one JSON object a line; `jq -c . FILE` makes that of objects on many lines"
    return ""
