"""`scorer produce`: publish the events of a file to the input topic."""

import argparse
import time
from collections.abc import Callable, Iterable
from itertools import chain, islice
from pathlib import Path

from scorer.avro import Converter, Schema, read_events
from scorer.batch import Kind
from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.progress import counting
from scorer.errors import Fatal, Misconfigured, Problem
from scorer.kafka import Admin, Feed
from scorer.serving.formats import open_formats

KEYS = {Kind.TEXT, Kind.ENUM, Kind.INTEGER, Kind.BOOLEAN}

Key = Callable[[bytes], bytes | None]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--input", required=True, type=Path, metavar="FILE", help="events, .jsonl or .avro")
    parser.add_argument("--key", metavar="FIELD", help="use this field's text as the record's key (default: no key)")
    parser.add_argument("--rate", type=_rate, metavar="N", help="events a second (default: as fast as possible)")


def run(args: argparse.Namespace) -> int:
    """Publish the events of the file, up to the first that is invalid.

    Raises:
        Misconfigured: a line is not an event of the schema, or the key's field does not exist or cannot be a key.
        Unavailable: the brokers or the schema registry do not answer.
        Fatal: the topic is missing, or refused an event.
    """
    settings = options.load(args).settings
    formats = open_formats(settings)
    key = _key(formats.schema, args.key)
    bodies = read_events(args.input, formats.schema, settings.events.max_bytes)
    first = [*islice(bodies, 1)]  # so that a broken file is reported before the brokers are asked
    topic = settings.kafka.input_topics[0]
    if not Admin(settings.kafka).topics([topic]):
        raise Fatal(f"topic {topic} does not exist; `scorer topics --create` creates it")
    feed = Feed(settings.kafka, topic)
    began = time.monotonic()
    try:
        header = formats.written().header
        _produce(((header + body, key(body)) for body in chain(first, bodies)), args.rate, feed)
    finally:
        seconds = max(time.monotonic() - began, 1e-3)
        summary = f"{feed.acknowledged:,} events in {topic}, {feed.acknowledged / seconds:,.0f} a second"
        console().print(summary)
    return 0


def _produce(events: Iterable[tuple[bytes, bytes | None]], rate: float | None, feed: Feed) -> None:
    """Publish events with their keys, and wait until the brokers have acknowledged them, even after an error."""
    pace = 1 / rate if rate else 0.0
    due = time.monotonic()
    try:
        with counting("events produced") as show:
            for event, key in events:
                if (early := due - time.monotonic()) > 0:  # even sleep(0) takes time
                    time.sleep(early)
                due += pace
                feed.write(event, key)
                show(feed.acknowledged)
    finally:
        feed.finish()


def _key(schema: Schema, path: str | None) -> Key:
    """Return a function that makes a record's key from an event's body."""
    if path is None:
        return lambda _: None
    if path not in schema.fields:
        raise Misconfigured([Problem("--key", schema.why_not(path))])
    if schema.fields[path].kind not in KEYS:
        expected = "expected a field whose text is plain: a string, uuid, enum, integer or boolean"
        raise Misconfigured(
            [Problem("--key", f"'{path}' is of kind {schema.fields[path].kind.name.lower()}", expected)]
        )
    return texts_of(schema, path)


def texts_of(schema: Schema, path: str) -> Key:
    """Return a function that takes an event's body to the text of a field as in a key template; None if it is null."""
    converter = Converter(schema)

    def text(body: bytes) -> bytes | None:
        value: object = converter.to_json(body)
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, bool):
            return str(value).lower().encode()
        return None if value is None else str(value).encode()

    return text


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of events a second")
    return rate
