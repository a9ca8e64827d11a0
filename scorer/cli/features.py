"""`scorer features load`: the features of one entity, from a file to Redis."""

import argparse
from pathlib import Path

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.progress import counting
from scorer.monitor import configure_logging
from scorer.serving.loading import load_features


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's action and its options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "write one entity's features to Redis, after checking every line"
    load = options.add_action(actions, "load", text)
    load.add_argument("--entity", required=True, metavar="NAME", help="as the plan names it")
    load.add_argument(
        "--input",
        required=True,
        type=Path,
        metavar="FILE",
        help=".csv or .jsonl, one line for each key, with columns named after the fields of the key and the features",
    )


def run(args: argparse.Namespace) -> int:
    """Load the file, and print how many lines were loaded.

    Raises:
        Misconfigured: lines of the file do not fit the plan; nothing was written.
        Unavailable: Redis does not answer.
    """
    settings = options.load(args).settings
    configure_logging("error", settings.log.format)  # warnings about the model do not matter for loading features
    say = console().print
    with counting("lines loaded") as show:
        loaded = load_features(settings, args.entity, args.input, show)
    for note in loaded.notes:
        say(f"note: {note}", style="yellow")
    say(f"{loaded.lines:,} lines of {args.input.name} loaded as features of '{args.entity}'")
    return 0
