"""`scorer demo`: score real flights live, kill a replica or roll versions out meanwhile, and prove the result."""

import argparse
import json
import math
import sys
from collections.abc import Callable

from rich.console import Console

from scorer.cli.lifecycle.stopping import at_once
from scorer.demo import Wanted

_DEFAULT = Wanted()
ROLLOUT_RATE = 2_000.0
UNITS = "distance", "dep_delay"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--events",
        type=_positive(int),
        metavar="N",
        help="number of events (default: every flight of September to December 2013; with --rollout: until it is over)",
    )
    parser.add_argument(
        "--rate",
        type=_positive(float),
        metavar="N",
        help=f"events a second (default: {_DEFAULT.rate:g}; with --rollout: {ROLLOUT_RATE:g})",
    )
    parser.add_argument(
        "--replicas",
        type=_positive(int),
        default=_DEFAULT.replicas,
        metavar="N",
        help="number of replicas (default: %(default)s)",
    )
    parser.add_argument(
        "--for",
        type=_positive(float),
        default=_DEFAULT.seconds,
        dest="seconds",
        metavar="SECONDS",
        help="stop sending events after SECONDS (default: %(default)s)",
    )
    what = "let a canary of a better version be promoted and one of a bad version be withdrawn; no replica is killed"
    courses = parser.add_mutually_exclusive_group()
    courses.add_argument("--rollout", action="store_true", help=what)
    what = f"let fields have other units half-way (default: {' and '.join(UNITS)}), and see who notices"
    courses.add_argument("--drift", nargs="*", choices=UNITS, metavar="FIELD", help=f"{what}; no replica is killed")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON document")


def run(args: argparse.Namespace) -> int:
    """Run the demo; return 1 if an event was lost or a prediction is wrong."""
    console = Console(stderr=True, highlight=False)
    console.print("loading; the very first start compiles kernels, which takes about 20 seconds", style="dim")
    with at_once():
        from scorer.demo import demo  # noqa: PLC0415  help and wrong options do without it
    try:
        summary = demo.run(_wanted(args), console)
    except KeyboardInterrupt:
        console.print("stopped; all processes and temporary folders are gone")
        return 0
    if args.json:
        sys.stdout.write(json.dumps(summary.document(), indent=2) + "\n")
    else:
        console.print(summary.panel())
    return 0 if summary.passed else 1


def _wanted(args: argparse.Namespace) -> Wanted:
    rate = args.rate or (ROLLOUT_RATE if args.rollout else _DEFAULT.rate)
    events = args.events or (math.ceil(rate * args.seconds) if args.rollout else None)
    broken = () if args.drift is None else tuple(args.drift or UNITS)
    return Wanted(events, rate, args.replicas, args.seconds, args.rollout, broken)


def _positive(kind: Callable[[str], float]) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = kind(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not positive")
        return value

    number.__name__ = kind.__name__  # argparse uses this name in errors
    return number
