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


def run(layouts: Sequence[str], batches: Sequence[int], events: int, console: Console) -> int:
    """Measure a replica with each layout and size of batch, print a table, and return 0.

    Raises:
        Fatal: a run failed.
    """
    columns = {}
    workload = prepare(console.print)
    with Sandbox() as sandbox:
        workload.load_redis(sandbox.redis.url)
        measure = Measure(sandbox, workload)
        for layout in layouts:
            for batch in batches:
                result = sandbox.folder / f"{layout}-{batch}.json"
                start = partial(_timed, result)
                measure.throughput(replica(layout, batch, start), events)
                columns[f"{layout}, {batch:,}"] = split(json.loads(result.read_text()))
                console.print(f"measured {layout}, {batch:,} a batch", style="dim")
    Console(width=None if sys.stdout.isatty() else 160).print(_table(columns))
    return 0


def _timed(result: Path, configuration: str) -> list[str]:
    return ["benchmarks.timed", configuration, str(result)]


def split(found: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return microseconds an event by stage: of the processor, and of the clock."""
    scale = MILLION / found["events"]
    return {stage: (cpu * scale, wall * scale) for stage, (cpu, wall) in found["stages"].items()}


def _table(columns: dict[str, dict[str, tuple[float, float]]]) -> Table:
    table = Table(box=box.MARKDOWN)
    table.add_column("CPU us/event (wall)", no_wrap=True)
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for stage in STAGES:
        table.add_row(stage, *(_cell(*split.get(stage, (0.0, 0.0))) for split in columns.values()))
    table.add_row("all", *(_cell(*map(sum, zip(*split.values(), strict=True))) for split in columns.values()))
    return table


def _cell(cpu: float, wall: float) -> str:
    return f"{cpu:.2f} ({wall:.2f})"
