"""`scorer labels`: joins labels with predictions, reports the model's quality, and publishes labels of a file."""

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import chain, islice
from pathlib import Path

from scorer.avro import BadEvent, Converter, Schema, read_events
from scorer.batch import Kind
from scorer.cli.lifecycle import options
from scorer.cli.produce import texts_of
from scorer.cli.shown.console import console
from scorer.cli.shown.labels_view import answer, show
from scorer.cli.shown.progress import counting
from scorer.documents.files import bounded_lines
from scorer.errors import Fatal, Misconfigured, Problem
from scorer.kafka import Admin, Feed, MonitorTopic
from scorer.labels.board import Board
from scorer.labels.run import run as join
from scorer.labels.sources import label_header
from scorer.labels.topics import required_labels, required_monitor
from scorer.model import repository_at
from scorer.monitor import configure_logging
from scorer.security.printable import printable_json

MOST_BYTES = 10_000_000  # of a label
LAST = 24


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    running = options.add_action(actions, "run", "join labels with predictions until stopped; start more to scale out")
    running.set_defaults(act=_run)
    report = options.add_action(
        actions, "report", "print how good the model is, by version and arm, with 95% intervals"
    )
    report.set_defaults(act=_report)
    report.add_argument("--json", action="store_true", help="print one JSON document")
    report.add_argument(
        "--last", type=options.positive, default=LAST, metavar="N", help=f"of the last N windows (default: {LAST})"
    )
    load = options.add_action(actions, "load", "publish the labels of a file to labels.topic")
    load.set_defaults(act=_load)
    load.add_argument("--input", required=True, type=Path, metavar="FILE", help="labels, .jsonl, .avro or .csv")


def run(args: argparse.Namespace) -> int:
    """Run the action; return the exit code."""
    code: int = args.act(args)
    return code


def _run(args: argparse.Namespace) -> int:
    settings = options.load(args).settings
    configure_logging(settings.log.level, settings.log.format)
    if not join(settings):
        os._exit(0)  # the client still waits for brokers that are down, and would keep the process alive
    return 0


def _report(args: argparse.Namespace) -> int:
    """Print what the monitor topic has.

    Raises:
        Misconfigured: there is no monitor topic.
        Unavailable: the brokers do not answer.
        Fatal: the topic is missing.
    """
    settings = options.load(args).settings
    board, model = Board(), repository_at(settings.model.path).name
    with closing(MonitorTopic(settings.kafka, required_monitor(settings), model, [board])) as shared:
        shared.read()
    document = answer(model, board.windows()[-args.last :])
    if args.json:
        sys.stdout.write(printable_json(document) + "\n")
    else:
        show(document, console(stderr=False))
    return 0


def _load(args: argparse.Namespace) -> int:
    """Publish the labels of a file, up to the first that is invalid; with the id as key, so that the last one wins.

    Raises:
        Misconfigured: a line is not a label of the schema, or the registry refuses the schema.
        Unavailable: the brokers or the registry do not answer.
        Fatal: the topic is missing, or refused a label.
    """
    settings = options.load(args).settings
    labels = required_labels(settings)
    schema = Schema.load(labels.schema_path)
    if why := schema.why_not(labels.id):
        raise Misconfigured([Problem("labels.id", why)])
    key, bodies = texts_of(schema, labels.id), _bodies(args.input, schema)
    first = [*islice(bodies, 1)]  # so that a broken file is reported before the brokers are asked
    if not Admin(settings.kafka).topics([labels.topic]):
        raise Fatal(f"topic {labels.topic} does not exist; `scorer topics --create` creates it")
    header = label_header(settings, schema)
    feed, began = Feed(settings.kafka, labels.topic), time.monotonic()
    try:
        with counting("labels published") as progress:
            for body in chain(first, bodies):
                feed.write(header + body, key(body))
                progress(feed.acknowledged)
    finally:
        feed.finish()
        seconds = max(time.monotonic() - began, 1e-3)
        console().print(f"{feed.acknowledged:,} labels in {labels.topic}, {feed.acknowledged / seconds:,.0f} a second")
    return 0


def _bodies(file: Path, schema: Schema) -> Iterator[bytes]:
    return _read_csv(file, schema) if file.suffix == ".csv" else read_events(file, schema, MOST_BYTES)


def _read_csv(file: Path, schema: Schema) -> Iterator[bytes]:
    """Yield the body of each line of a file whose columns have the names of fields.

    Raises:
        BadEvent: a line is not a label of the schema; the text says which.
    """
    converter = Converter(schema)
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = csv.DictReader(bounded_lines(text, file.name), strict=True)
            for line in lines:
                where = f"{file.name}, line {lines.line_num}"
                if None in line or None in line.values():
                    raise BadEvent(
                        where, "another number of cells than the first line", "expected a cell for each column"
                    )
                cells = {name: _cell(schema, name, cell) for name, cell in line.items()}
                yield converter.to_avro(cells, where)
    except OSError as error:
        raise BadEvent(str(file), f"cannot be read: {error.strerror}", "expected a file of labels") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadEvent(str(file), f"not CSV: {error}", "expected UTF-8 with a line of names") from None


def _cell(schema: Schema, name: str, cell: str) -> object:
    """Return a cell as plain JSON: null if it is empty, and a number or a boolean if the field is one."""
    field = schema.fields.get(name)
    kind = field.kind if field else Kind.TEXT
    if not cell and kind is not Kind.TEXT:
        return None
    if kind is Kind.BOOLEAN:
        return {"true": True, "1": True, "false": False, "0": False}.get(cell.lower(), cell)
    if kind in {Kind.INTEGER, Kind.FLOAT, Kind.DATE, Kind.TIME, Kind.TIMESTAMP}:
        with suppress(ValueError, RecursionError):
            return json.loads(cell)
    return cell
