"""What clients of the HTTP server take from scoring: many that scrape without pause, or many that are slow."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import clients
from benchmarks.clients import KINDS, Done
from benchmarks.contenders import replica
from benchmarks.measure import Measure, Throughput, measuring
from benchmarks.process import Process
from benchmarks.sweeps.chart import table
from benchmarks.sweeps.scope import PATIENCE, Scope
from benchmarks.workload import prepare


@dataclass(frozen=True, slots=True)
class Run:
    """A backlog that was worked off while clients did what `done` says."""

    throughput: Throughput
    done: Done


def http(points: Sequence[int], scope: Scope) -> str:
    """Measure by kind and number of clients; the round with the least CPU time is shown."""
    workload, runs = prepare(scope.tell), dict[tuple[str, int], list[Run]]()
    cases = [(kind, point) for kind in KINDS for point in points if point or kind == KINDS[0]]
    with measuring(workload) as measure:
        for number in range(scope.rounds):
            for kind, point in cases:
                run = _measure(measure, scope, kind, point)
                runs.setdefault((kind, point), []).append(run)
                scope.tell(f"round {number + 1}: {point:,} {kind}: {run.throughput.rate:,.0f} events/s, {run.done}")
    return _page({case: min(of, key=lambda run: run.throughput.cpu_us) for case, of in runs.items()})


def _measure(measure: Measure, scope: Scope, kind: str, number: int) -> Run:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    contender = replica("packed", scope.batch, features=PATIENCE, http={"port": port})
    log = measure.sandbox.folder / f"clients-{port}"
    with Process(clients.command(kind, number, port), {}, log) as process:
        throughput = measure.throughput(contender, scope.backlog)
        return Run(throughput, clients.done(process, log))


def _page(runs: dict[tuple[str, int], Run]) -> str:
    """Return a table; `x` is the speed relative to the first row's."""
    alone = next(iter(runs.values())).throughput
    rows = [
        [
            f"{number:,} that {'scrape without pause' if kind == KINDS[0] else 'are slow'}" if number else "none",
            f"{run.throughput.rate:,.0f}",
            f"{run.throughput.rate / alone.rate:.2f}",
            f"{run.throughput.cpu_us:.2f}",
            f"{run.throughput.megabytes:.0f}",
            f"{run.done.pages:,}",
            f"{run.done.probes} of {run.done.probes + run.done.failed}",
            f"{run.done.seconds * 1000:.0f}",
        ]
        for (kind, number), run in runs.items()
    ]
    titles = ["clients", "events/s", "x", "CPU us/event", "MB", "pages", "/live answered", "slowest, ms"]
    return table(titles, rows)
