"""How `scorer dead-letters` shows a dead letter: as a row, in full, and as JSON documents."""

from collections.abc import Iterable, Iterator

from scorer.avro import Salvage
from scorer.cli.shown.views import Document, moment, readable
from scorer.kafka import Letter, Replayed
from scorer.security.printable import printable, printable_json

HEADER = ("LETTER", "REASON", "EVENT", "MODEL", "TIME", "REPLAYS", "REPLAYED", "DETAIL")
LINE_BYTES = 16  # bytes on a line of hexadecimal


def row(shown: Document) -> tuple[object, ...]:
    """Return the `document` of a letter as a row of the table with HEADER."""
    place = f"{shown['partition']}@{shown['offset']}"
    event = f"{shown['source_topic']}-{shown['source_partition']}@{shown['source_offset']}"
    model, done = f"{shown['model']} {shown['version']}", _yes_or_no(shown["replayed"])
    return (place, shown["reason"], event, model, shown["time"], shown["replays"], done, shown["detail"])


def document(letter: Letter, replayed: Replayed) -> Document:
    """Return a letter's position, its headers, and whether it was replayed."""
    return {
        "partition": letter.record.partition,
        "offset": letter.record.offset,
        "reason": letter.reason,
        "detail": letter.detail,
        "source_topic": letter.topic,
        "source_partition": letter.partition,
        "source_offset": letter.offset,
        "model": letter.model,
        "version": letter.version,
        "time": letter.time,
        "replays": letter.replays,
        "replayed": letter in replayed,
    }


def full_document(letter: Letter, replayed: Replayed, salvage: Salvage) -> Document:
    """Return everything about a letter: its `document`, its bytes, and as much of the event as can be decoded."""
    record = letter.record
    event, why = salvage.read(record.value or b"", record)
    return document(letter, replayed) | {
        "key": readable(record.key),
        "timestamp": moment(record) or None,
        "headers": [[name, readable(value)] for name, value in letter.headers],
        "value": None if record.value is None else record.value.hex(),
        "event": event,
        "unreadable": why or None,
    }


def full_text(letter: Letter, replayed: Replayed, salvage: Salvage) -> str:
    """Return the same as text for people."""
    record = letter.record
    event, why = salvage.read(record.value or b"", record)
    facts: dict[str, Iterable[str]] = {
        "reason": [letter.reason],
        "detail": [letter.detail],
        "event": [f"{letter.topic}-{letter.partition}@{letter.offset}"],
        "model": [f"{letter.model} {letter.version}"],
        "time": [letter.time],
        "replays": [str(letter.replays)],
        "replayed": [_yes_or_no(letter in replayed)],
        "timestamp": [moment(record) or "none"],
        "key": [_or_null(record.key)],
        "headers": [f"{name}: {_or_null(value)}" for name, value in letter.headers] or ["none"],
        "value": ["null"] if record.value is None else _hexadecimal(record.value),
        "decoded": [*printable_json(event, indent=2).splitlines(), *([why] if why else [])],
    }
    return "\n  ".join([f"dead letter {letter.place}", *(_lines(name, texts) for name, texts in facts.items())])


def _lines(name: str, texts: Iterable[str]) -> str:
    return f"{name:<11}" + f"\n{'':<13}".join(map(printable, texts))


def _hexadecimal(value: bytes) -> Iterator[str]:
    yield f"{len(value):,} bytes"
    for start in range(0, len(value), LINE_BYTES):
        line = value[start : start + LINE_BYTES]
        text = "".join(chr(byte) if chr(byte).isascii() and chr(byte).isprintable() else "." for byte in line)
        yield f"{start:06x}  {line.hex(' '):<{LINE_BYTES * 3}} {text}"


def _or_null(value: bytes | None) -> str:
    return "null" if value is None else str(readable(value))


def _yes_or_no(holds: bool) -> str:  # noqa: FBT001  it is the value to word
    return "yes" if holds else "no"
