"""`scorer schemas`: show the versions in the registry, and what each provides for the fields that are needed."""

import argparse
import sys
from dataclasses import asdict

from scorer.avro import Mapped
from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.table import aligned
from scorer.errors import Misconfigured, Problem
from scorer.monitor import configure_logging
from scorer.security.printable import printable, printable_json
from scorer.serving.evolution import Version, versions
from scorer.serving.serving import prepare

HEADER = ("SUBJECT", "VERSION", "ID", "FIELD", "FROM", "TYPE", "PROBLEM")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Show every version of the events' subjects.

    Raises:
        Misconfigured: the settings have no registry.
        Unavailable: the registry does not answer.
    """
    settings = options.load(args).settings
    configure_logging("error", settings.log.format)
    if settings.registry is None:
        raise Misconfigured([Problem("registry", "missing", "set registry.url, and events.framing: confluent")])
    found = list(versions(prepare(settings)))
    if args.json:
        sys.stdout.write(printable_json([asdict(each) for each in found], indent=2) + "\n")
    else:
        show = console(stderr=False).print
        show("\n".join(aligned(HEADER, [row for each in found for row in _rows(each)])))
    return 0


def _rows(version: Version) -> list[tuple[object, ...]]:
    name = (version.subject, f"{version.version}{' (reader)' if version.reader else ''}", version.id)
    if version.problem:
        return [(*name, "", "", "", printable(version.problem))]
    return [(*(name if number == 0 else ("", "", "")), *_cells(each)) for number, each in enumerate(version.fields)]


def _cells(field: Mapped) -> tuple[str, ...]:
    return field.field, printable(field.source) or "default", field.kind, printable(field.problem)
