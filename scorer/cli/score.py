"""`scorer score`: score files with the same parts as a replica, so with the same scores."""

import argparse
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.progress import counting
from scorer.cli.written.output import replacing
from scorer.cli.written.score_many import score_many
from scorer.errors import Misconfigured, Problem
from scorer.files import (
    FORMATS,
    DeadLetterFile,
    FileReader,
    TableFiles,
    features_of,
    format_of,
    is_one_file,
    is_remote,
    without_stream,
    writing,
)
from scorer.monitor import configure_logging
from scorer.security.printable import printable_json
from scorer.serving.ensemble import prepare_champion
from scorer.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument(
        "--input",
        required=True,
        action="append",
        metavar="PATH",
        help="read events from a .jsonl, .avro, .parquet or .csv file, a folder, a pattern such as 'days/*.parquet', "
        "or an address such as s3://bucket/days; may be repeated",
    )
    parser.add_argument(
        "--output",
        metavar="PATH",
        help="write predictions to a .parquet, .csv or .avro file, or any other as JSON lines (default: JSON lines to "
        "stdout); with --format, to a folder, one file for each input",
    )
    parser.add_argument("--format", choices=FORMATS, help="write a folder with one file of this format for each input")
    parser.add_argument(
        "--jobs",
        type=options.positive,
        default=1,
        metavar="N",
        help="share the input files among N processes (default: 1); needs --format",
    )
    parser.add_argument(
        "--part-rows",
        type=options.positive,
        metavar="N",
        help="divide each Parquet file at its row groups into outputs of N rows or more, which --jobs share; "
        "needs --format",
    )
    parser.add_argument(
        "--dead-letters",
        metavar="PATH",
        help="write rows that cannot be scored to this file of JSON lines instead of the output; with --format, to a "
        "folder",
    )
    parser.add_argument(
        "--features",
        action="append",
        default=[],
        metavar="ENTITY=FILE",
        help="look up an entity's features in a .parquet or .csv table instead of in Redis; may be repeated",
    )
    parser.add_argument(
        "--as-of",
        metavar="COLUMN",
        help="with --features: give each event the features of the newest row that is not after the event's own time; "
        "COLUMN has the times of the rows",
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON to stdout; needs --output")


def run(args: argparse.Namespace) -> int:
    """Write a prediction for each event; return the exit code.

    Raises:
        Misconfigured: the bundle, the schema or a line of the input is wrong, or the output cannot be opened.
        Unavailable: the feature store does not answer, and the policy is to wait.
        Fatal: writing the output failed.
    """
    settings = options.load(args).settings
    configure_logging(settings.log.level, settings.log.format)
    tables = _tables(args, settings)
    settings = without_stream(settings, tables)
    if args.format or not (len(args.input) == 1 and is_one_file(args.input[0])):
        return score_many(args, settings, tables)
    if problems := _problems(args, tables):
        raise Misconfigured(problems)
    return _score_one(args, settings, tables)


def _tables(args: argparse.Namespace, settings: Settings) -> TableFiles:
    """Return the tables of features that the options name.

    Raises:
        Misconfigured: with everything that is wrong with the options.
    """
    files, problems = dict[str, Path](), list[Problem]()
    for each in args.features:
        entity, equals, file = each.partition("=")
        if not (entity and equals and file):
            problems.append(Problem("--features", f"'{each}'", "expected ENTITY=FILE, such as plane=planes.parquet"))
        elif entity in files:
            problems.append(Problem("--features", f"duplicate '{entity}'", "expected one table an entity"))
        files[entity] = Path(file)
    if args.as_of and not files:
        problems.append(Problem("--as-of", "there are no tables of features", "give --features ENTITY=FILE"))
    if args.as_of and settings.events.time is None:
        problems.append(Problem("--as-of", "events have no time", "set events.time to the field that has it"))
    if problems:
        raise Misconfigured(problems)
    return TableFiles(files, args.as_of)


def _problems(args: argparse.Namespace, tables: TableFiles) -> list[Problem]:
    """Return which options a single file cannot have."""
    problems = list[Problem]()
    if args.jobs > 1:
        problems.append(Problem("--jobs", "one output is written by one process", "give --format, and --part-rows"))
    if args.part_rows:
        problems.append(Problem("--part-rows", "parts need a folder for their outputs", "give --format as well"))
    if args.json and not args.output:
        problems.append(Problem("--json", "predictions are written to stdout", "give --output as well"))
    for option in ("output", "dead_letters"):
        name, given = f"--{option.replace('_', '-')}", getattr(args, option) or ""
        if is_remote(given):
            problems.append(Problem(name, f"{given} is in an object store", "give --format, and a folder in the store"))
        elif given and any(_is_same(Path(given), read) for read in (Path(args.input[0]), *tables.files.values())):
            problems.append(Problem(name, f"{given} is a file that is read", "name another file: it would be replaced"))
    return problems


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are those of one regular file; a device may be read and written."""
    return one.is_file() and other.is_file() and one.samefile(other)


def _score_one(args: argparse.Namespace, settings: Settings, tables: TableFiles) -> int:
    serving, counts, started = prepare_champion(settings), Counter[str](), time.monotonic()
    with ExitStack() as stack:
        source, letters = stack.enter_context(features_of(serving, tables)), None
        for note in source.notes:
            console().print(note)
        out = stack.enter_context(replacing(Path(args.output), "--output")) if args.output else sys.stdout
        if args.dead_letters:
            file = stack.enter_context(replacing(Path(args.dead_letters), "--dead-letters"))
            letters = DeadLetterFile(file, args.input[0])
        show = stack.enter_context(counting("events scored")) if not out.isatty() else lambda _: None
        form = format_of(args.output)
        write = stack.enter_context(writing(form, out, serving.outputs, rejected=letters is None))
        reader = FileReader(serving, source.fetch, letters.add_line if letters else None)
        outcomes = reader.outcomes(Path(args.input[0]))
        if reader.absent:
            console().print(f"no column for {', '.join(reader.absent)}: their default, or null, in every row")
        for outcome in outcomes:
            write(outcome)
            if letters:
                letters.add(outcome)
            counts.update(rejected.reason.value for rejected in outcome.rejected)
            counts["scored"] += len(outcome.predictions.rows)
            show(counts.total())
    counts["bad-value"] += letters.lines if letters else 0
    found = {name: number for name, number in sorted(counts.items()) if number}
    if args.json:
        scored = found.pop("scored", 0)
        version = {"model": serving.model, "version": serving.version, "seconds": time.monotonic() - started}
        sys.stdout.write(printable_json({"files": 1, "kept": 0, "scored": scored, "rejected": found} | version) + "\n")
        return 0
    summary = ", ".join(f"{number:,} {name}" for name, number in found.items()) or "no events"
    console().print(f"{summary} ({serving.model} version {serving.version})")
    return 0
