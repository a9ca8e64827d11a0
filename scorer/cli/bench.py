"""`scorer bench`: where the time of an event goes, in the user's own configuration."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from scorer.avro import Converter, read_events
from scorer.bench import Result, unreachable, work_off
from scorer.bench.backlog import repeated
from scorer.bench.budget import MILLION, ROWS
from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.progress import counting
from scorer.errors import Misconfigured, Problem
from scorer.model import read_golden
from scorer.monitor import configure_logging
from scorer.sandbox import Sandbox
from scorer.serving.serving import Serving, prepare

DESCRIPTION = """
Starts a Kafka on this machine, fills a topic with the events of a file, repeated as often as needed, lets `scorer run`
work through this backlog with your configuration, and prints CPU and wall-clock microseconds per event for each stage.
Your brokers are not contacted, so the cost of TLS and the network is not included. Features are read from your Redis
(read only). If it does not answer, an empty one is started instead and reported.
"""
EVENTS = 100_000
NAMES = {"look_up": "look-up in Redis", "reports": "delivery reports", "rest": "the rest", "outside": "outside Python"}
FEW = 1000  # distinct events: with fewer, keys repeat more often than they really would
MANY = 0.01  # share of the events that became dead letters


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.description = DESCRIPTION
    options.add_config(parser)
    parser.add_argument(
        "--input", type=Path, metavar="FILE", help="events, .jsonl or .avro (default: the golden events of the bundle)"
    )
    parser.add_argument(
        "--events", type=options.positive, default=EVENTS, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Measure, and show where the time goes and which stage is the bottleneck.

    Raises:
        Misconfigured: something is wrong with the configuration or with the events.
        Fatal: the replica exited, or stopped making progress.
    """
    settings = options.load(args).settings
    configure_logging(settings.log.level, settings.log.format)
    serving = prepare(settings)
    header = serving.formats.written().header
    values = [header + body for body in _bodies(args, serving)]
    concerns = [f"only {len(values):,} distinct events, so keys repeat"] if len(values) < FEW else []
    with Sandbox() as sandbox:
        features_url = None
        if settings.features and serving.entities and (why := unreachable(settings.features)):
            features_url = sandbox.redis.url
            concerns.append(f"{why}; an empty Redis was used instead, so every look-up is a miss")
        result = work_off(settings, sandbox, repeated(values, args.events), counting, features_url)
    if result.dead_letters > MANY * result.events:
        concerns.append(f"{result.dead_letters:,} events became dead letters, which take longer than predictions")
    if args.json:
        sys.stdout.write(json.dumps(_document(serving, result, concerns), indent=2, ensure_ascii=False) + "\n")
    else:
        _show(serving, result, concerns)
    return 0


def _bodies(args: argparse.Namespace, serving: Serving) -> Iterator[bytes]:
    """Return the events to repeat.

    Raises:
        Misconfigured: there are none.
    """
    if args.input is not None:
        bodies = read_events(args.input, serving.schema, serving.settings.events.max_bytes)
    elif (golden := serving.bundle.golden_file) is not None:
        converter = Converter(serving.schema)
        bodies = (converter.to_avro(dict(each.event), golden.name) for each in read_golden(golden))
    else:
        what = "missing, and the bundle has no golden events to use instead"
        raise Misconfigured([Problem("--input", what, "name a file of events, .jsonl or .avro")])
    empty = True
    for _, body in zip(range(args.events), bodies, strict=False):
        empty = False
        yield body
    if empty:
        raise Misconfigured([Problem("--input", f"{args.input} has no events", "expected at least one")])


def _document(serving: Serving, result: Result, concerns: list[str]) -> dict[str, object]:
    return {
        "events": result.events,
        "model": serving.bundle.name,
        "version": serving.bundle.version,
        "max_records": serving.settings.batch.max_records,
        "trees": serving.booster.path,
        "dead_letters": result.dead_letters,
        "hits": result.hits,
        "concerns": concerns,
        **result.budget.document(),
    }


def _show(serving: Serving, result: Result, concerns: list[str]) -> None:
    budget = result.budget
    table = Table("stage", box=box.SIMPLE_HEAD)
    for title in ("CPU us/event", "wall us/event", "share of wall time"):
        table.add_column(title, justify="right")
    for stage in ROWS:
        cpu, wall = budget.cpu[stage], budget.wall[stage]
        table.add_row(
            NAMES.get(stage, stage),
            f"{cpu:.2f}",
            f"{wall:.2f}" if wall else "-",
            f"{wall / budget.all_wall:.0%}" if wall else "-",
            style="bold" if stage == budget.limit else "",
        )
    table.add_section()
    table.add_row("all", f"{budget.all_cpu:.2f}", f"{budget.all_wall:.2f}", "")
    Console(highlight=False).print(table)
    say, batch = console(stderr=False).print, serving.settings.batch.max_records
    say(f"one replica scores a backlog at {MILLION / budget.all_wall:,.0f} events/s, in batches of up to {batch:,}")
    cpu, wall = budget.cpu[budget.limit], budget.wall[budget.limit]
    waits = f", {wall - cpu:.2f} of it waiting" if wall > 2 * cpu else ""
    say(f"bottleneck: {NAMES.get(budget.limit, budget.limit)}, {wall:.2f} us an event of wall time{waits}")
    for concern in concerns:
        console().print(f"note: {concern}", style="yellow")
