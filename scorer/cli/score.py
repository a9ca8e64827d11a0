"""`scorer score`: score a file with the same parts as a replica, so with the same scores."""

import argparse
import json
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from scorer.avro import read_events
from scorer.cli import options
from scorer.cli.console import console
from scorer.cli.output import replacing
from scorer.cli.progress import counting
from scorer.ensemble import prepare_champion
from scorer.monitor import configure_logging
from scorer.offline import Offline


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--input", required=True, type=Path, metavar="FILE", help="events, .jsonl or .avro")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write predictions (default: stdout)")


def run(args: argparse.Namespace) -> int:
    """Write one JSON line for each event; return the exit code.

    Raises:
        Misconfigured: the bundle, the schema or a line of the input is wrong, or the output cannot be opened.
        Unavailable: the feature store does not answer, and the policy is to wait.
        Fatal: writing the output failed.
    """
    settings = options.load(args).settings
    configure_logging(settings.log.level, settings.log.format)
    serving = prepare_champion(settings)
    outcomes: Counter[str] = Counter()
    with ExitStack() as stack:
        lookups = serving.lookups(cached=False)
        if lookups:
            stack.callback(lookups.close)
        out = stack.enter_context(replacing(args.output, "--output")) if args.output else sys.stdout
        show = stack.enter_context(counting("events scored")) if not out.isatty() else lambda _: None
        bodies = read_events(args.input, serving.schema, settings.events.max_bytes)
        for prediction in Offline(serving, lookups.fetch if lookups else None).predictions(bodies):
            outcomes[str(prediction.get("reason", "scored"))] += 1
            out.write(json.dumps(prediction, ensure_ascii=False, allow_nan=False) + "\n")
            show(outcomes.total())
    summary = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items())) or "no events"
    console().print(f"{summary} ({serving.model} version {serving.version})")
    return 0
