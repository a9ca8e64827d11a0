"""`scorer explain`: which columns moved the score of an event, or of the events of a file."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from scorer.avro import Converter, prediction_json, read_events
from scorer.batch import Outcome
from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.influence import Importance, Influence, Influences, Unscored, importance
from scorer.cli.shown.picture import Picture, drawn, require_drawable
from scorer.cli.shown.progress import counting
from scorer.cli.shown.waterfall import lines, picture
from scorer.cli.written.output import replacing
from scorer.errors import Misconfigured, Problem
from scorer.model import read_golden
from scorer.monitor import configure_logging
from scorer.security.printable import printable_json
from scorer.serving.offline import GoldenStore, Offline
from scorer.serving.serving import Serving, prepare
from scorer.settings import ExplainSettings

TOP = 10
Explained = Influence | Unscored | Importance


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument(
        "--input",
        type=Path,
        metavar="FILE",
        help="events, .jsonl or .avro (default: the golden events of the bundle, with the features given there)",
    )
    parser.add_argument("--event", metavar="ID", help="only the event with this id; its number, where events have none")
    parser.add_argument("-n", type=options.positive, metavar="N", dest="limit", help="only the first N events")
    parser.add_argument(
        "--top", type=options.positive, default=TOP, metavar="N", help="columns that are drawn (default: %(default)s)"
    )
    parser.add_argument(
        "--global",
        action="store_true",
        dest="overall",
        help="how much each column moves the scores of the file on average, instead of each event",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="draw to an .html page or an .svg picture")
    parser.add_argument("--json", action="store_true", help="print one JSON document a line, with every column")


def run(args: argparse.Namespace) -> int:
    """Explain the events of a file, with features as `scorer score` looks them up; return the exit code.

    Raises:
        Misconfigured: something is wrong with the bundle, the schema or the input, there is no such event, or XGBoost
            does not explain this kind of model.
        Unavailable: the feature store does not answer, and the policy is to wait.
        Fatal: writing the output failed.
    """
    if args.output:
        require_drawable(args.output, "--output")
    settings = options.load(args).settings
    configure_logging(settings.log.level, settings.log.format)
    wanted = settings.predictions.explain or ExplainSettings()
    off = settings.predictions.model_copy(update={"explain": None})  # this command explains all columns itself
    serving = prepare(settings.model_copy(update={"predictions": off}))
    explainer = serving.booster.explainer(wanted.max_bytes)
    if explainer.concern:
        console().print(f"note: {explainer.concern}", style="yellow")
    influences = Influences(serving, explainer)
    with ExitStack() as stack:
        out = stack.enter_context(replacing(args.output, "--output")) if args.output else None
        outcomes = _of_file(serving, args, stack) if args.input else _golden(serving)
        found: Iterable[Explained] = _chosen(influences, outcomes, args)
        if args.overall:
            show = stack.enter_context(counting("events explained"))
            found = [importance(influences, _chosen(influences, outcomes, args), show)]
        pictures = _show(found, args)
        if out:
            out.write(drawn(args.output, f"{serving.bundle.name} version {serving.bundle.version}", pictures))
    return 0


def _show(found: Iterable[Explained], args: argparse.Namespace) -> list[Picture]:
    """Print each explanation as it is asked for, and return those to draw into the output."""
    people, pictures = console(stderr=False), list[Picture]()
    block = "█" if people.encoding.lower().startswith("utf") else "#"
    for number, each in enumerate(found):
        if args.output:
            pictures.append(picture(each.waterfall(args.top)))
        if args.json:
            sys.stdout.write(printable_json(each.document()) + "\n")
        elif not args.output:
            for line in ["", *lines(each.waterfall(args.top), block)][0 if number else 1 :]:
                people.print(line)
    return pictures


def _of_file(serving: Serving, args: argparse.Namespace, stack: ExitStack) -> Iterator[Outcome]:
    """Score the events of the input."""
    lookups = serving.lookups(cached=False)
    if lookups:
        stack.callback(lookups.close)
    bodies = read_events(args.input, serving.schema, serving.settings.events.max_bytes)
    return Offline(serving, lookups.fetch if lookups else None).outcomes(islice(bodies, args.limit))


def _golden(serving: Serving) -> Iterator[Outcome]:
    """Score the golden events of the bundle.

    Raises:
        Misconfigured: there are none.
    """
    file = serving.bundle.golden_file
    if file is None:
        what = "missing, and the bundle has no golden events to use instead"
        raise Misconfigured([Problem("--input", what, "name a file of events, .jsonl or .avro")])
    converter, store = Converter(serving.schema), GoldenStore()
    offline = Offline(serving, store.fetch if serving.entities else None)
    for number, golden in enumerate(read_golden(file)):
        store.features = golden.features
        yield offline.score([converter.to_avro(dict(golden.event), f"{file.name}: line {number + 1}")], number)


def _chosen(
    influences: Influences, outcomes: Iterable[Outcome], args: argparse.Namespace
) -> Iterator[Influence | Unscored]:
    """Yield the influences on each event that is asked for, or why it cannot be scored.

    Raises:
        Misconfigured: no event has the id that is asked for.
    """
    left, found = args.limit or sys.maxsize, False
    for outcome in outcomes:
        documents = list(prediction_json(outcome))[:left]
        left -= len(documents)
        wanted = [row for row, each in enumerate(documents) if args.event in {None, each["event_id"]}]
        found = found or bool(wanted)
        yield from influences.of(outcome, documents, wanted)
        if left == 0:
            break
    if args.event is not None and not found:
        what = f"no event of {args.input or 'the bundle'} has the id {args.event!r}"
        raise Misconfigured([Problem("--event", what, "leave it out to explain every event")])
