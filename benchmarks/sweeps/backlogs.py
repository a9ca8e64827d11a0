"""Backlogs of one replica: with more partitions, more columns, and more events."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.contenders import LAYOUTS
from benchmarks.measure import MILLION, Measure, Throughput, measuring
from benchmarks.sweeps.chart import chart, table
from benchmarks.sweeps.scope import Lines, Scope
from benchmarks.workload import flights, prepare
from benchmarks.workload.wide import wide

ONCE = 5 * MILLION  # events of a backlog, above which there is one round only

Runs = Mapping[tuple[str, int], Sequence[Throughput]]  # of each round, by layout and point


def partitions(points: Sequence[int], scope: Scope) -> str:
    """Measure topics by number of partitions, with events partitioned by key."""
    return _partitions(points, scope, by_key=True)


def scattered(points: Sequence[int], scope: Scope) -> str:
    """Measure the same with round-robin events: the predictions of a partition then go to all partitions."""
    return _partitions(points, scope, by_key=False)


def _partitions(points: Sequence[int], scope: Scope, *, by_key: bool) -> str:
    workload = prepare(scope.tell)
    runs = _measure(points, scope, lambda point: measuring(workload, point, by_key=by_key), lambda _: scope.backlog)
    return _page("partitions", points, runs)


def events(points: Sequence[int], scope: Scope) -> str:
    """Measure backlogs by number of events."""
    workload = prepare(scope.tell)
    runs = _measure(points, scope, lambda _: measuring(workload), lambda point: point)
    return _page("events", points, runs)


def columns(points: Sequence[int], scope: Scope) -> str:
    """Measure models by number of columns; events and entities grow with them."""
    read = flights.read()
    with tempfile.TemporaryDirectory(prefix="scorer-columns-") as folder:
        workloads = {point: wide(Path(folder) / str(point), read, point) for point in points}
        runs = _measure(points, scope, lambda point: measuring(workloads[point]), lambda _: scope.backlog)
    page = _page("columns", points, runs)
    for layout, costs in _least(points, runs).items():
        slope, fixed = np.polyfit(points, costs, 1) if len(points) > 1 else (0.0, costs[0])
        page += f"\n{layout}: {fixed:.1f} us per event plus {1000 * slope:.0f} ns per column.\n"
    return page


def _measure(
    points: Sequence[int],
    scope: Scope,
    servers: Callable[[int], AbstractContextManager[Measure]],
    length: Callable[[int], int],
) -> Runs:
    runs: dict[tuple[str, int], list[Throughput]] = {}
    for number in range(scope.rounds):
        for point in (point for point in points if number == 0 or length(point) <= ONCE):
            with servers(point) as measure:
                for layout, contender in scope.replicas.items():
                    run = measure.throughput(contender, length(point))
                    runs.setdefault((layout, point), []).append(run)
                    scope.tell(f"round {number + 1}: {point:,}, {layout}: {run.cpu_us:.2f} us")
    return runs


def _least(points: Sequence[int], runs: Runs) -> Lines:
    """Return the minimum of the rounds: other load on the machine can only add."""
    return {layout: [min(run.cpu_us for run in runs[layout, point]) for point in points] for layout in LAYOUTS}


def _page(subject: str, points: Sequence[int], runs: Runs) -> str:
    titles = [f"{layout}: {title}" for layout in LAYOUTS for title in ("CPU us/event (median)", "events/s", "MB")]
    rows = [[f"{point:,}", *(cell for layout in LAYOUTS for cell in _cells(runs[layout, point]))] for point in points]
    lines = _least(points, runs)
    page = table([subject, *titles], rows) + "\n" + chart("CPU per event", (subject, points), "us", lines)
    for layout, costs in lines.items():
        page += f"\n{layout}: the dearest takes {max(costs) / min(costs) - 1:.0%} more than the cheapest.\n"
    return page


def _cells(runs: Sequence[Throughput]) -> tuple[str, str, str]:
    costs = [run.cpu_us for run in runs]
    return (
        f"{min(costs):.2f} ({median(costs):.2f})",
        f"{max(run.rate for run in runs):,.0f}",
        f"{max(run.megabytes for run in runs):,.0f}",
    )
