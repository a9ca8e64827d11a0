"""How the cost of an event changes with partitions, columns, backlog, replicas, time and rate: `scale.md`."""

import sys
from collections.abc import Mapping, Sequence

from benchmarks.compare import machine
from benchmarks.report import about
from benchmarks.sweeps import backlogs, deliveries, http, minutes, rates, replicas, round_trips, wire
from benchmarks.sweeps.scope import Scope, Sweep
from scorer.sandbox import Sandbox

SWEEPS: Mapping[str, tuple[Sweep, Sequence[int]]] = {
    "partitions": (backlogs.partitions, (1, 2, 4, 8, 16, 32, 64)),
    "scattered": (backlogs.scattered, (1, 8, 64)),
    "columns": (backlogs.columns, (10, 30, 100, 300, 500)),
    "backlog": (backlogs.events, (10_000, 100_000, 1_000_000, 10_000_000)),
    "delivery": (deliveries.deliveries, (100, 500, 2_000, 5_000, 10_000, 20_000)),
    "replicas": (replicas.replicas, (1, 2, 4)),
    "round-trips": (round_trips.round_trips, (100, 1_000, 5_000)),
    "http": (http.http, (0, 20, 1_000)),
    "wire": (wire.wire, (50, 500, 2_000, 4_000)),
    "steady": (minutes.minutes, (30,)),
    "rates": (rates.rates, (10, 100, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)),
}


def run(names: Sequence[str], points: Sequence[int], scope: Scope) -> int:
    """Measure, print a page in Markdown piece by piece, and return 0.

    Args:
        names: of SWEEPS.
        points: in place of the sweeps' own, where there are any.
        scope: how much.

    Raises:
        Fatal: a run failed: it ended, stalled, or lost, repeated or got wrong a prediction.
    """
    with Sandbox() as sandbox:
        sys.stdout.write(f"{about(machine(sandbox))}\n")
    for name in names:
        measure, usual = SWEEPS[name]
        sys.stdout.write(f"\n## {name.capitalize()}\n\n{measure(points or usual, scope)}")
        sys.stdout.flush()
    return 0
