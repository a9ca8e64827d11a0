"""`scorer score`: score a file, with the same parts as a replica and so with the same scores."""

import argparse
import json
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from scorer.avro import read_events
from scorer.cli import options
from scorer.features import connect
from scorer.offline import Offline
from scorer.serving import prepare

HELP = "score a file of events without Kafka"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument("--input", required=True, type=Path, metavar="FILE", help="events, .jsonl or .avro")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write predictions (default: stdout)")


def run(chosen: argparse.Namespace) -> int:
    """Write one JSON line an event; return the exit code."""
    settings = options.load(chosen).settings
    serving = prepare(settings)
    outcomes: Counter[str] = Counter()
    with ExitStack() as stack:
        store = None
        if settings.features is not None and serving.plan.entities:
            store = connect(settings.features.url, settings.features.timeout_ms)
            stack.callback(store.close)
        out = stack.enter_context(chosen.output.open("w")) if chosen.output else sys.stdout
        for prediction in Offline(serving, store).predictions(read_events(chosen.input, serving.schema)):
            outcomes[str(prediction.get("reason", "scored"))] += 1
            out.write(json.dumps(prediction, ensure_ascii=False) + "\n")
    summary = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items())) or "no events"
    Console(stderr=True).print(f"{summary} ({serving.bundle.name} version {serving.bundle.version})")
    return 0
