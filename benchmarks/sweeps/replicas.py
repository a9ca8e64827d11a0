"""Several replicas of a group that work through one backlog."""

from collections.abc import Sequence

from benchmarks.measure import MILLION, measuring
from benchmarks.sweeps.chart import table
from benchmarks.sweeps.scope import Scope
from benchmarks.together import Together, together
from benchmarks.workload import prepare


def replicas(points: Sequence[int], scope: Scope) -> str:
    """Measure by number of replicas; the round with the least CPU time is shown."""
    workload, runs = prepare(scope.tell), dict[int, list[Together]]()
    events = scope.backlog * 2 * max(points)  # many are done before all replicas have their share
    for number in range(scope.rounds):
        with measuring(workload, 2 * max(points)) as measure:
            for point in points:
                run = together(measure, scope.replicas["packed"], events, point)
                runs.setdefault(point, []).append(run)
                scope.tell(f"round {number + 1}: {point} replicas: {run.rate:,.0f} events/s, {run.cpu_us:.2f} us")
    return _page({point: min(of, key=lambda run: run.cpu_us) for point, of in runs.items()})


def _page(runs: dict[int, Together]) -> str:
    """Return a table: `x` is the speed relative to the first row; `x by CPU` is that with a core for each replica."""
    first, *_ = runs
    one = runs[first]
    rows = [
        [
            str(point),
            f"{run.rate:,.0f}",
            f"{run.rate / one.rate:.2f}",
            f"{run.cpu_us:.2f}",
            f"{point / first * one.cpu_us / run.cpu_us:.2f}",
            f"{run.rate * run.cpu_us / MILLION:.2f}",
            f"{run.kafka_us:.2f}",
            f"{run.redis_us:.2f}",
            f"{run.seconds:.1f}",
        ]
        for point, run in runs.items()
    ]
    titles = ["replicas", "events/s", "x", "CPU us/event", "x by CPU", "cores of replicas"]
    return table([*titles, "Kafka us/event", "Redis us/event", "seconds"], rows)
