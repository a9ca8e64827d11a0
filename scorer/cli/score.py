"""`scorer score`: score a file with the same parts as a replica, so with the same scores."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from scorer.avro import prediction_json, read_events
from scorer.batch import Outcome
from scorer.cli import options
from scorer.cli.console import console
from scorer.cli.output import replacing
from scorer.cli.progress import counting
from scorer.ensemble import Candidate, prepare_champion
from scorer.monitor import configure_logging
from scorer.offline import Offline
from scorer.store import Fetch

TABLES = (".parquet", ".csv")  # endings of files of tables


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    parser.add_argument(
        "--input", required=True, type=Path, metavar="FILE", help="events, .jsonl, .avro, .parquet or .csv"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write predictions: JSON lines, or .parquet or .csv (default: JSON lines to stdout)",
    )


def run(args: argparse.Namespace) -> int:
    """Write a prediction for each event; return the exit code.

    Raises:
        Misconfigured: the bundle, the schema or a line of the input is wrong, or the output cannot be opened.
        Unavailable: the feature store does not answer, and the policy is to wait.
        Fatal: writing the output failed.
    """
    settings = options.load(args).settings
    configure_logging(settings.log.level, settings.log.format)
    serving = prepare_champion(settings)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        lookups = serving.lookups(cached=False)
        if lookups:
            stack.callback(lookups.close)
        out = stack.enter_context(replacing(args.output, "--output")) if args.output else sys.stdout
        show = stack.enter_context(counting("events scored")) if not out.isatty() else lambda _: None
        write = stack.enter_context(writing(args.output, out, serving))
        for outcome in outcomes_of(args.input, serving, lookups.fetch if lookups else None):
            write(outcome)
            counts.update(rejected.reason.value for rejected in outcome.rejected)
            counts["scored"] += len(outcome.predictions.rows)
            show(counts.total())
    found = {name: number for name, number in sorted(counts.items()) if number}
    summary = ", ".join(f"{number:,} {name}" for name, number in found.items()) or "no events"
    console().print(f"{summary} ({serving.model} version {serving.version})")
    return 0


def outcomes_of(file: Path, serving: Candidate, fetch: Fetch | None) -> Iterator[Outcome]:
    """Score the events of a file."""
    if file.suffix not in TABLES:
        return Offline(serving, fetch).outcomes(read_events(file, serving.schema, serving.settings.events.max_bytes))
    from scorer.tables import TableFile, TableScorer  # noqa: PLC0415  imports pyarrow, which only tables need

    table = TableFile(file, {field.path: field.kind for field in serving.wanted().fields})
    scorer = TableScorer(serving, serving.scorer(fetch), table.schema, str(file))
    if scorer.absent:
        console().print(f"no column for {', '.join(scorer.absent)}: their default, or null, in every row")
    return scorer.outcomes(table.batches())


@contextmanager
def writing(file: Path | None, out: TextIO, serving: Candidate) -> Iterator[Callable[[Outcome], None]]:
    """Write outcomes in the form that the ending of a file's name says."""
    if file is None or file.suffix not in TABLES:
        yield lambda outcome: out.writelines(
            json.dumps(prediction, ensure_ascii=False, allow_nan=False) + "\n"
            for prediction in prediction_json(outcome)
        )
        return
    from scorer.tables import as_batch, predictions_schema, table_writer  # noqa: PLC0415  as above

    schema = predictions_schema(serving.outputs)
    writer = table_writer(file.suffix, out.buffer, schema)
    try:
        yield lambda outcome: writer.write_batch(as_batch(outcome, schema))
    finally:
        writer.close()
