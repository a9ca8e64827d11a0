"""Latency and cost over the rate of events, for some settings of the batch."""

from collections.abc import Sequence
from itertools import product
from statistics import geometric_mean, median

from benchmarks.contenders import replica
from benchmarks.measure import measuring
from benchmarks.steady import Steady, steady
from benchmarks.sweeps.chart import chart, table
from benchmarks.sweeps.scope import Scope
from benchmarks.workload import prepare

SETTINGS = {
    "adaptive": replica("packed", 4000, batch={"mode": "adaptive", "max_wait_ms": 20}),
    "fixed, small": replica("packed", 50, batch={"mode": "fixed", "max_wait_ms": 2}),
    "fixed, large": replica("packed", 4000, batch={"mode": "fixed", "max_wait_ms": 20}),
}
CEILING_MS = 100.0  # of the chart: who falls behind is late without limit

Runs = dict[tuple[int, str], list[Steady]]  # of each round, by rate and setting


def rates(points: Sequence[int], scope: Scope) -> str:
    """Measure by events per second; shows medians of the rounds, and their geometric means over all rates."""
    workload, runs = prepare(scope.tell), Runs()
    with measuring(workload) as measure:
        for number, point, (name, contender) in product(range(scope.rounds), points, SETTINGS.items()):
            run = steady(measure, contender, point, scope.seconds)
            runs.setdefault((point, name), []).append(run)
            scope.tell(f"round {number + 1}: {point:,}/s, {name}: p99 {run.whole().p99:.1f} ms")
    return _page(points, runs)


def _page(points: Sequence[int], runs: Runs) -> str:
    names = ("p50", "p99", "cpu_us")
    found = {key: [median(getattr(run.whole(), name) for run in of) for name in names] for key, of in runs.items()}
    reached = {point: min(run.rate for name in SETTINGS for run in runs[point, name]) for point in points}
    titles = ["events/s", "reached", *(f"{name}: p50 / p99 ms, CPU us" for name in SETTINGS)]
    rows = [
        [
            f"{point:,}",
            f"{reached[point]:,.0f}",
            *("{:,.1f} / {:,.1f}, {:,.1f}".format(*found[point, name]) for name in SETTINGS),
        ]
        for point in points
    ]
    whole = {
        name: map(geometric_mean, zip(*(found[point, name] for point in points), strict=True)) for name in SETTINGS
    }
    rows.append(["all", "", *("{:,.1f} / {:,.1f}, {:,.1f}".format(*whole[name]) for name in SETTINGS)])
    p99 = {name: [min(found[point, name][1], CEILING_MS) for point in points] for name in SETTINGS}
    cpu = {name: [found[point, name][2] for point in points] for name in SETTINGS}
    return "\n".join(
        [
            table(titles, rows),
            chart(f"p99, at most {CEILING_MS:.0f}", ("events/s", points), "ms", p99),
            chart("CPU per event", ("events/s", points), "us", cpu),
        ]
    )
