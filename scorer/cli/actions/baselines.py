"""Baselines of files: `scorer models add --baseline`, and the action `scorer models baseline`."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from scorer.batch import ScoreArray
from scorer.cli.shown.answers import Answer
from scorer.cli.written.output import replacing
from scorer.drift import LEAST_ROWS, Baseline, baseline_problems, make_baseline, read_baseline
from scorer.errors import Misconfigured, Problem
from scorer.files import TABLES, FileReader
from scorer.serving.serving import Serving

MOST_VALUES = 50_000_000  # that are held; of a larger file, every second row, every fourth, and so on
_FORMS = (".json", ".jsonl", ".avro", *TABLES)

Rows = tuple[NDArray[np.float32], ScoreArray]  # a matrix, and its scores


def baseline_of(file: Path, serving: Serving, option: str) -> Baseline:
    """Make a baseline of a file of events or of model columns, or read one that was made before.

    Events are scored with the features that are in the store now.

    Args:
        file: its name ends in .jsonl, .avro, .parquet or .csv, or in .json.
        serving: the version.
        option: the option that named the file, for errors.

    Raises:
        Misconfigured: the file cannot be read, has too few rows, or does not fit the version.
        Unavailable: the feature store does not answer.
    """
    if file.suffix not in _FORMS:
        raise Misconfigured([Problem(option, f"'{file.suffix}' is no file of events", f"expected {', '.join(_FORMS)}")])
    if file.suffix == ".json":
        baseline = read_baseline(file)
        if problems := baseline_problems(baseline, serving.codes, serving.outputs, str(file)):
            raise Misconfigured(problems)
        return baseline
    values, scores = _held(_rows(file, serving), len(serving.columns))
    if len(values) < LEAST_ROWS:
        what = f"{file} has {len(values)} events that the model scores"
        raise Misconfigured([Problem(option, what, f"expected at least {LEAST_ROWS}, and better tens of thousands")])
    return make_baseline(serving.codes, values, scores)


@contextmanager
def written(baseline: Baseline) -> Iterator[Path]:
    """Write a baseline to a file for as long as it is needed."""
    with TemporaryDirectory(prefix="scorer-baseline-") as folder:
        file = Path(folder, "baseline.json")
        file.write_text(baseline.text())
        yield file


def summary(baseline: Baseline) -> Answer:
    """Return a summary of a baseline for people."""
    rows = max(1, baseline.rows)
    columns = [
        {
            "name": each.name,
            "kind": "number" if each.is_number else f"{each.codes} categories",
            "bins": len(each.counts),
            "missing": round(each.missing / rows, 4),
        }
        | ({"range": [each.least, each.most]} if each.is_number and each.least <= each.most else {})
        for each in (*baseline.columns, *baseline.scores)
    ]
    return {"id": baseline.id, "rows": baseline.rows, "source": baseline.source, "columns": columns}


def save(baseline: Baseline, args: argparse.Namespace) -> None:
    """Write a baseline to `--output`, if there is one."""
    if args.output is not None:
        with replacing(args.output, "--output") as out:
            out.write(baseline.text())
        sys.stderr.write(f"wrote {args.output}: `scorer models add --baseline {args.output}` takes it\n")


def _rows(file: Path, serving: Serving) -> Iterator[Rows]:
    if file.suffix in TABLES:
        from scorer.tables import model_rows  # noqa: PLC0415  imports pyarrow, which only tables need

        found = model_rows(file, {each.name: each.categories for each in serving.plan.columns})
        if found is not None:
            yield from ((values, serving.booster.score(values).values) for values in found)
            return
    with ExitStack() as stack:
        lookups = serving.lookups(cached=False)
        if lookups:
            stack.callback(lookups.close)
        for outcome in FileReader(serving, lookups.fetch if lookups else None).outcomes(file):
            rows = outcome.predictions.rows
            yield outcome.matrix.values[rows], outcome.predictions.scores[rows]


def _held(parts: Iterator[Rows], columns: int) -> Rows:
    """Return the rows of all parts; of too many, every second one, every fourth, and so on."""
    most = MOST_VALUES // max(1, columns)
    every, seen, held, kept = 1, 0, list[Rows](), 0
    for values, scores in parts:
        first = -seen % every
        held.append((values[first::every], scores[first::every]))
        seen, kept = seen + len(values), kept + len(held[-1][0])
        if kept > most:
            every *= 2
            held = [_together(held, every=2)]
            kept = len(held[0][0])
    if not held:
        return np.empty((0, columns), np.float32), np.empty(0, np.float32)
    return _together(held)


def _together(parts: list[Rows], every: int = 1) -> Rows:
    values, scores = (np.concatenate(each)[::every] for each in zip(*parts, strict=True))
    return values, scores
