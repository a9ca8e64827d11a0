"""`scorer score` with --format: writes one output for each input file, and keeps the outputs that are finished."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from scorer.cli.shown.console import console
from scorer.cli.shown.progress import working
from scorer.errors import Misconfigured, Problem
from scorer.files import (
    FileScorer,
    Order,
    Receipt,
    TableFiles,
    Task,
    Work,
    alone,
    find_inputs,
    is_remote,
    output_of,
    outputs_at,
    score_here,
    score_in_processes,
    tasks_of,
)
from scorer.rollout import choosing
from scorer.security.printable import printable_json
from scorer.settings import Settings

SHOWN = 20  # problems of files


@dataclass(frozen=True, slots=True)
class _Done:
    """The result for all files.

    now:      receipts of the files scored now.
    kept:     receipts of outputs that were finished before.
    problems: why the other files could not be scored.
    seconds:  how long it took.
    """

    now: Sequence[Receipt]
    kept: Sequence[Receipt]
    problems: Sequence[Problem]
    seconds: float


def score_many(args: argparse.Namespace, settings: Settings, tables: TableFiles) -> int:
    """Score each file of the input into the folder of outputs; return the exit code.

    Raises:
        Misconfigured: an option, the bundle or a file is wrong; files that can be scored are, before this is raised.
        Unavailable: the feature store or an object store does not answer.
        Fatal: an output cannot be written.
    """
    if not (args.format and args.output):
        what = "several files need a folder for their outputs"
        raise Misconfigured(
            [Problem("--output", what, "give --output FOLDER and --format parquet, csv, jsonl or avro")]
        )
    found = find_inputs(args.input)
    tasks = tasks_of(found, args.format, args.part_rows)
    _require_apart(args, tasks)
    with ExitStack() as stack:
        outputs_at(args.output, "--output")
        stack.enter_context(alone(args.output))
        downloads = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scorer-")))
        order = Order(settings, args.output, args.format, args.dead_letters, downloads, tables)
        with FileScorer(order) as scorer:
            for note in scorer.notes:
                console().print(note)
            scorer.tidy([output_of(file, args.format) for file in found], tasks)
            done = _score(args, order, scorer, tasks)
    _say(args, scorer, done)
    if done.problems:
        more = len(done.problems) - SHOWN
        rest = [Problem("--input", f"{more:,} more problems of files")] if more > 0 else []
        raise Misconfigured([*done.problems[:SHOWN], *rest])
    return 0


def _score(args: argparse.Namespace, order: Order, scorer: FileScorer, tasks: Sequence[Task]) -> _Done:
    """Score the files that are not finished."""
    started, kept, left = time.monotonic(), list[Receipt](), list[Task]()
    for task in tasks:
        if receipt := scorer.finished(task):
            kept.append(receipt)
        else:
            left.append(task)
    if kept and left:
        console().print(f"{len(kept):,} of {len(tasks):,} files are finished, and kept")
    work = Work(sorted(left, key=lambda task: -task.size))
    total = round(sum(task.size for task in left))
    with working("rows scored", total) as show:

        def shown(work: Work) -> None:
            show(work.rows_read, work.bytes_read)

        if args.jobs == 1 or len(left) <= 1:
            score_here(scorer, work, shown)
        else:
            one = replace(order, recipe=scorer.recipe, settings=_pinned(order.settings, scorer))
            score_in_processes(one, work, args.jobs, shown)
    return _Done(list(work.receipts.values()), kept, work.problems, time.monotonic() - started)


def _pinned(settings: Settings, scorer: FileScorer) -> Settings:
    """Return the settings pinned to the version that scores now, since a newer one may appear meanwhile."""
    return settings if scorer.is_ensemble else choosing(settings, scorer.version)


def _require_apart(args: argparse.Namespace, tasks: Sequence[Task]) -> None:
    """Make sure that no output would be an input when the command runs again.

    Raises:
        Misconfigured: a folder of outputs contains an input.
    """
    problems = list[Problem]()
    for option in ("output", "dead_letters"):
        folder = getattr(args, option)
        if folder is None or is_remote(folder):
            below = f"{folder.rstrip('/')}/" if folder else ""
            inside = [task for task in tasks if below and task.file.address.startswith(below)]
        else:
            root = Path(folder).resolve()
            here = [task for task in tasks if not is_remote(task.file.address)]
            inside = [task for task in here if root in Path(task.file.address).resolve().parents]
        if inside:
            what = f"{folder} contains the input {inside[0].file.address}"
            problems.append(Problem(f"--{option.replace('_', '-')}", what, "name a folder without inputs"))
    if problems:
        raise Misconfigured(problems)


def _say(args: argparse.Namespace, scorer: FileScorer, done: _Done) -> None:
    counts, rejected = Counter[str](), Counter[str]()
    for receipt in (*done.now, *done.kept):
        counts["scored"] += receipt.scored
        rejected.update(receipt.rejected)
    if args.json:
        document = {
            "files": len(done.now),
            "kept": len(done.kept),
            "scored": counts["scored"],
            "rejected": dict(sorted(rejected.items())),
            "model": scorer.model,
            "version": scorer.version,
            "seconds": done.seconds,
            "failed": [str(problem) for problem in done.problems],
        }
        sys.stdout.write(printable_json(document) + "\n")
        return
    absent = Counter(name for receipt in done.now for name in receipt.absent)
    for name, files in absent.items():
        console().print(f"no column for {name} in {files:,} files: its default, or null, in every row")
    found = {name: number for name, number in sorted((counts + rejected).items()) if number}
    summary = ", ".join(f"{number:,} {name}" for name, number in found.items()) or "no events"
    said = f"{len(done.now):,} files scored" + (f", {len(done.kept):,} kept" if done.kept else "")
    console().print(f"{said}: {summary} ({scorer.model} version {scorer.version})")
