"""`scorer backfill`: score a range of past events again, by a group of its own, into a topic of its own."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scorer.cli.comparing import backfill_compare
from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.picture import drawn, require_drawable
from scorer.cli.shown.progress import working
from scorer.cli.written.output import replacing
from scorer.errors import Misconfigured, Problem
from scorer.monitor import configure_logging
from scorer.replica import backfill
from scorer.replica.backfill import DEAD_LETTERS, Done, Job
from scorer.security.printable import printable_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    what = "score records from this time on, such as 2026-11-01 or 2026-11-01T06:00Z; UTC unless it says otherwise"
    parser.add_argument("--from", required=True, type=options.moment, dest="since", metavar="TIME", help=what)
    what = "score records before this time, which may not be in the future"
    parser.add_argument("--to", required=True, type=options.moment, dest="until", metavar="TIME", help=what)
    what = "score with this version (default: the champion when the job begins)"
    parser.add_argument("--version", metavar="V", help=what)
    what = "write predictions to this topic, which is created if it is missing"
    parser.add_argument("--output-topic", required=True, metavar="TOPIC", help=what)
    what = f"write dead letters to this topic (default: the name of the output topic and {DEAD_LETTERS})"
    parser.add_argument("--dead-letter-topic", metavar="TOPIC", help=what)
    what = "compare the scores with those that the live group published"
    parser.add_argument("--compare", action="store_true", help=what)
    what = "with --compare: also show the differences by the value of this event field; may be repeated"
    parser.add_argument("--by", action="append", default=[], metavar="FIELD", help=what)
    what = "with --compare: also draw the scores, as an .html page or an .svg picture"
    parser.add_argument("--output", type=Path, metavar="FILE", help=what)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Score the range, and return the exit code.

    Raises:
        Misconfigured: the job, the bundle or the schema is wrong.
        Unavailable: the brokers do not answer.
        Fatal: a topic is missing, or there was no safe way to continue.
    """
    settings = options.load(args).settings
    configure_logging(settings.log.level, settings.log.format)
    alone = [f"--{name}" for name in ("by", "output") if getattr(args, name) and not args.compare]
    if alone:
        raise Misconfigured([Problem(name, "nothing is compared", "give --compare as well") for name in alone])
    backfill_compare.require_fields(settings, args.by)
    if args.output:
        require_drawable(args.output, "--output")
    letters = args.dead_letter_topic or args.output_topic + DEAD_LETTERS
    job = Job(args.since, args.until, args.output_topic, letters, args.version)
    with ExitStack() as stack:
        out = stack.enter_context(replacing(args.output, "--output")) if args.output else None
        done = _score(settings, job)
        answer = _answer(job, done)
        if args.compare and done.complete:
            answer["scores"] = backfill_compare.compare(settings, job.output, job.since, done, args.by, stack)
            if out:
                title = f"version {done.version} and what was published"
                out.write(drawn(args.output, title, backfill_compare.pictures(answer, done)))
    if args.json:
        sys.stdout.write(printable_json(answer) + "\n")
    else:
        _show(job, done, answer)
    return 0


def _score(settings: Any, job: Job) -> Done:  # noqa: ANN401  Settings
    with ExitStack() as stack:
        shows: list[Any] = []

        def progress(events: int, offsets: int) -> None:
            if not shows:
                shows.append(stack.enter_context(working("events scored", offsets)))
            shows[0](events, events)

        return backfill.run(settings, job, progress)


def _answer(job: Job, done: Done) -> dict[str, Any]:
    return {
        "group": done.group,
        "version": done.version,
        "output_topic": job.output,
        "dead_letter_topic": job.dead_letters,
        "offsets": done.span.offsets,
        "scored": done.scored,
        "dead_letters": done.dead_letters,
        "complete": done.complete,
    }


def _show(job: Job, done: Done, answer: dict[str, Any]) -> None:
    people = console(stderr=False)
    said = f"{done.scored:,} scored, {done.dead_letters:,} dead letters (version {done.version})"
    range_ = f"{done.span.offsets:,} offsets of {len(done.span.ends):,} partitions"
    state = "is complete in" if done.complete else "is not complete: start the same command again to go on, in"
    people.print(f"{said}; the range of {range_} {state} {job.output}")
    if "scores" in answer:
        for line in backfill_compare.lines(answer, done, people.encoding):
            people.print(line)
