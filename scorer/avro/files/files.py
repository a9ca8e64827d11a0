"""Reads the events of a file as Avro bodies of a schema."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from scorer.avro.decode.splitting import BadEnd, Block, Splitter
from scorer.avro.evolution.resolution import Resolution
from scorer.avro.evolution.skipping import MOST_EMPTY, Broken
from scorer.avro.files.container import Container
from scorer.avro.files.lines import read_lines
from scorer.avro.json.jsonl import BadEvent
from scorer.avro.schema.reader import read_schema
from scorer.avro.schema.schema import Schema
from scorer.avro.types.grammar import Record
from scorer.avro.types.likeness import Unresolvable, alike
from scorer.errors import Misconfigured

_READABLE = "expected Avro that the schema can read"


def read_events(
    path: Path,
    schema: Schema,
    max_bytes: int = 0,
    bad: Callable[[BadEvent], None] | None = None,
    opened: Callable[[BinaryIO], None] | None = None,
) -> Iterator[bytes]:
    """Yield the Avro body of each event of a file, in order.

    A body may still have invalid values, which the decoder rejects.

    Args:
        path: an Avro object container file if its name ends in `.avro`, otherwise one JSON object a line.
        schema: the schema of the bodies. A container's own schema is resolved to it by Avro's rules.
        max_bytes: the maximum size of an event, which limits the length of a line.
        bad: called with the error of a line that is not an event of the schema, which is then skipped; by default the
            error is raised.
        opened: called with the open file, whose position shows how much was read.

    Raises:
        BadEvent: the file cannot be read, or an event does not fit the schema; the text says which.
    """
    try:
        with path.open("rb") as file:
            if opened:
                opened(file)
            if path.suffix == ".avro":
                yield from _read_container(file, path.name, schema)
            else:
                yield from read_lines(file, path.name, schema, max_bytes, bad)
    except OSError as error:
        raise BadEvent(str(path), f"cannot be read: {error.strerror}", "expected a file of events") from None


def _read_container(file: BinaryIO, name: str, schema: Schema) -> Iterator[bytes]:
    container = Container(file, name)
    split = _splitter(container.schema, name, schema.record)
    number = empty = 0
    for block in container.blocks():
        empty += max(0, block.count - len(block.data))
        if empty > MOST_EMPTY:
            raise BadEvent(block.where, f"{block.count:,} events in {len(block.data):,} bytes", "expected fewer")
        for body in _bodies(split, block, number):
            number += 1
            yield body


def _bodies(split: Splitter | Resolution, block: Block, before: int) -> Iterator[bytes]:
    """Yield the bodies of a block; `before` is the number of events in earlier blocks."""
    number = before
    try:
        for body in split.split(block):
            number += 1
            yield body
    except (BadEnd, Broken) as error:
        raise BadEvent(f"{block.where}, event {number + 1}", str(error), _READABLE) from None


def _splitter(text: str, name: str, record: Record) -> Splitter | Resolution:
    where = f"{name}, its own schema"
    try:
        written = read_schema(text, where, foreign=True).kind
    except Misconfigured as error:
        problem = error.problems[0]
        raise BadEvent(problem.where, problem.what, problem.expected) from None
    if alike(written, record):
        return Splitter(record)
    try:
        return Resolution(written, record)
    except Unresolvable as error:
        raise BadEvent(f"{name}: {error.path}" if error.path else name, error.what, error.expected) from None
