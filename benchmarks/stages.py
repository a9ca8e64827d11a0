"""Where the time goes: microseconds an event in each stage of a replica that works off a backlog."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.contenders import replica
from benchmarks.measure import MILLION, Measure
from benchmarks.timed import OUTSIDE, REST
from benchmarks.workload import prepare
from scorer.sandbox import Sandbox

STAGES = (
    *("consume", "decode", "keys", "Redis", "assemble", "score", "encode", "publish", "delivery reports", "commit"),
    *(REST, OUTSIDE),
)


Split = dict[str, tuple[float, float]]  # microseconds an event by stage: of the processor, and of the clock


def run(replicas: Sequence[tuple[str, int]], events: int, rounds: int, console: Console) -> int:
    """Measure a replica with each layout and size of batch, print a table, and return 0.

    Of the rounds of each, the one that took the processor least is shown: what else the machine does only adds.

    Raises:
        Fatal: a run failed.
    """
    splits: dict[str, list[Split]] = {}
    workload = prepare(console.print)
    with Sandbox() as sandbox:
        workload.load_redis(sandbox.redis.url)
        measure = Measure(sandbox, workload)
        for number in range(1, rounds + 1):
            for layout, batch in replicas:
                result = sandbox.folder / f"{layout}-{batch}-{number}.json"
                measure.throughput(replica(layout, batch, partial(_timed, result)), events)
                found = split(json.loads(result.read_text()))
                splits.setdefault(f"{layout}, {batch:,}", []).append(found)
                console.print(f"round {number}: {layout}, {batch:,} a batch: {_all(found)[0]:.2f} us", style="dim")
    best = {title: min(rounds, key=lambda found: _all(found)[0]) for title, rounds in splits.items()}
    Console(width=None if sys.stdout.isatty() else 160).print(_table(best))
    return 0


def _timed(result: Path, configuration: str) -> list[str]:
    return ["benchmarks.timed", configuration, str(result)]


def split(found: dict[str, Any]) -> Split:
    """Return microseconds an event by stage: of the processor, and of the clock."""
    scale = MILLION / found["events"]
    return {stage: (cpu * scale, wall * scale) for stage, (cpu, wall) in found["stages"].items()}


def _table(columns: dict[str, Split]) -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column("CPU us/event (wall)", no_wrap=True)
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for stage in STAGES:
        table.add_row(stage, *(_cell(*split.get(stage, (0.0, 0.0))) for split in columns.values()))
    table.add_row("all", *(_cell(*_all(split)) for split in columns.values()))
    return table


def _all(found: Split) -> tuple[float, float]:
    return sum(cpu for cpu, _ in found.values()), sum(wall for _, wall in found.values())


def _cell(cpu: float, wall: float) -> str:
    return f"{cpu:.2f} ({wall:.2f})"
