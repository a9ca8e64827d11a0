"""One replica for a long time, at a steady rate."""

from collections.abc import Sequence
from statistics import mean

from benchmarks.measure import measuring
from benchmarks.steady import Steady, steady
from benchmarks.sweeps.chart import chart, table
from benchmarks.sweeps.scope import Scope
from benchmarks.workload import prepare

MINUTE = 60.0
ENDS = 5  # minutes at either end that are compared


def minutes(points: Sequence[int], scope: Scope) -> str:
    """Measure by number of minutes."""
    workload = prepare(scope.tell)
    pages = []
    for point in points:
        with measuring(workload) as measure:
            pages.append(_page(steady(measure, scope.replicas["packed"], scope.rate, point * MINUTE, MINUTE)))
    return "\n".join(pages)


def _page(run: Steady) -> str:
    parts = [*run.parts()]
    rows = [
        [str(number), f"{part.cpu_us:.1f}", f"{megabytes:.0f}", f"{part.p50:.1f}", f"{part.p99:.1f}"]
        for number, (part, megabytes) in enumerate(parts, 1)
    ]
    lines = {"CPU us per event": [part.cpu_us for part, _ in parts], "MB": [megabytes for _, megabytes in parts]}
    page = f"{run.rate:,.0f} events/s.\n\n" + table(["minute", "CPU us/event", "MB", "p50 ms", "p99 ms"], rows)
    for name, values in lines.items():
        growth = mean(values[-ENDS:]) / mean(values[:ENDS]) - 1
        shown = chart(f"A steady {run.rate:,.0f} events/s", ("minute", range(1, 1 + len(parts))), name, {name: values})
        page += f"\n{shown}\n{name}: {growth:+.1%} from the first {ENDS} minutes to the last.\n"
    return page
