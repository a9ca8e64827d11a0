"""Reads events from lines of JSON."""

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from scorer.avro.files.signatures import is_foreign, looks_like
from scorer.avro.json.jsonl import BadEvent, Converter
from scorer.avro.schema.schema import Schema
from scorer.avro.values.showing import shown

LONGEST_LINE = 2**24  # bytes: the limit of a line, unless events may be longer
_TEXT_BYTES = 8  # bytes of JSON allowed for a byte of Avro, in very long events
_HEAD = 64  # bytes


def read_lines(
    file: BinaryIO, name: str, schema: Schema, max_bytes: int, bad: Callable[[BadEvent], None] | None = None
) -> Iterator[bytes]:
    """Yield the Avro body of the event of each line.

    Args:
        file: one JSON object a line, UTF-8; blank lines are skipped.
        name: the file's name in errors.
        schema: the schema of the bodies.
        max_bytes: the maximum size of an event; its line may be much longer.
        bad: called with the error of a line that is not an event of the schema, which is then skipped.

    Raises:
        BadEvent: a line is not an event of the schema, unless `bad` takes that, or far too long; the text says which.
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
        if not line.strip():
            continue
        try:
            body = converter.to_avro(_parse(line, where), where)
        except BadEvent as error:
            if bad is None:
                raise
            bad(error)
        else:
            yield body


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
    """Say how to convert JSON to one object a line."""
    begin = line.strip()
    if begin.startswith(b"["):
        return "expected an object; `jq -c '.[]' FILE` converts a list to lines"
    if begin == b"{":
        return "expected one JSON object a line; `jq -c . FILE` puts each object on one line"
    return ""
