"""`scorer check`: find problems before anything runs, and report them together."""

import argparse
from typing import TYPE_CHECKING

from rich.text import Text

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.monitor import configure_logging
from scorer.replica.check import Report, examine
from scorer.security.redaction import redact

if TYPE_CHECKING:
    from scorer.errors import Problem


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--offline", action="store_true", help="skip the checks that need a server")


def run(args: argparse.Namespace) -> int:
    """Print the report; return 2 if the configuration is wrong, 1 if something is wrong with the servers, else 0."""
    left_out: list[Problem] = []
    settings = options.load(args, left_out).settings
    configure_logging("error", settings.log.format)
    report = examine(settings, offline=args.offline)
    report.problems[:0] = left_out
    _print(report)
    return 2 if report.problems else int(bool(report.failures))


def _print(report: Report) -> None:
    say = console().print
    for text in report.done:
        say(f"checked {redact(text)}")
    for warning in report.warnings:
        say(Text.assemble(("warning", "yellow"), f" {redact(warning)}"))
    for problem in [*report.problems, *report.failures]:
        say(Text.assemble(("wrong", "red"), f"   {redact(str(problem))}"))
    found = len(report.problems) + len(report.failures)
    say(Text(f"{found} problem{'s' * (found > 1)} found", "red") if found else Text("ready to run", "green"))
