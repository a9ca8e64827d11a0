"""`scorer training-set`: joins captured rows with their labels into a Parquet file."""

import argparse
from pathlib import Path

from scorer.cli.lifecycle import options
from scorer.cli.shown.console import console
from scorer.cli.shown.progress import counting
from scorer.cli.written.output import replacing
from scorer.errors import Misconfigured, Problem
from scorer.labels.run import measured
from scorer.labels.topics import required_labels
from scorer.labels.training import Counts, Period, TrainingSet
from scorer.serving.formats import open_formats
from scorer.tables import table_writer
from scorer.tables.training import training_batch, training_schema


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    options.add_config(parser)
    for name, text in (("--from", "rows that were scored from then on"), ("--to", "rows that were scored before then")):
        parser.add_argument(
            name, required=True, type=options.moment, metavar="TIME", help=f"{text}, as 2026-11-01 or ISO 8601"
        )
    parser.add_argument("--version", metavar="V", help="rows of this version alone")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="where to write, .parquet")


def run(args: argparse.Namespace) -> int:
    """Write the rows that have a label.

    Raises:
        Misconfigured: nothing is captured, or there are no rows of this time.
        Unavailable: the brokers do not answer.
        Fatal: a topic is missing, or the file cannot be written.
    """
    settings = options.load(args).settings
    labels, capture = required_labels(settings), settings.monitor.capture
    if capture is None:
        raise Misconfigured([Problem("monitor.capture", "missing", "expected a group: nothing is captured without it")])
    if args.output.suffix != ".parquet":
        raise Misconfigured([Problem("--output", f"'{args.output}' is no .parquet", "expected a Parquet file")])
    period = Period(getattr(args, "from"), args.to)
    _, measure = measured(settings, labels)
    with counting("records read") as progress:
        found = TrainingSet(open_formats(settings), capture.topic, labels, measure.task, period, args.version, progress)
        found.prepare()
        schema = training_schema(found.columns)
        with replacing(args.output, "--output") as out:
            writer = table_writer(".parquet", out.buffer, schema)
            for rows in found.rows():
                writer.write_batch(training_batch(rows, schema))
            writer.close()
    console().print(_summary(found.counts, args.output))
    return 0


def _summary(counts: Counts, output: Path) -> str:
    lines = [f"{counts.written:,} rows in {output}; {counts.unlabelled:,} more have no label"]
    if counts.repeated:
        lines.append(f"{counts.repeated:,} rows were captured twice, of which the last one counts")
    if counts.unreadable:
        lines.append(f"{counts.unreadable:,} records are no captured rows")
    lines += [f"{number:,} labels cannot be used: {reason}" for reason, number in sorted(counts.bad.items())]
    return "\n".join(lines)
