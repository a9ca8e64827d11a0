"""The cost of exactly-once relative to at-least-once, by batch size, since each batch is a transaction."""

from collections.abc import Sequence
from itertools import product

from benchmarks.measure import MILLION
from benchmarks.stages import measure
from benchmarks.sweeps.chart import chart, table
from benchmarks.sweeps.scope import Scope
from benchmarks.workload import prepare
from scorer.bench import Budget
from scorer.sandbox import Sandbox

MODES = ("at-least-once", "exactly-once")


def deliveries(points: Sequence[int], scope: Scope) -> str:
    """Measure by batch size; the round with the least CPU time is shown."""
    workload, found = prepare(scope.tell), dict[tuple[int, str], list[Budget]]()
    with Sandbox() as sandbox:
        workload.load_redis(sandbox.redis.url)
        for number, point, mode in product(range(scope.rounds), points, MODES):
            kafka, batch = {"delivery": mode}, {"max_records": point}
            budget = measure(sandbox, workload, "packed", scope.backlog, kafka=kafka, batch=batch)
            found.setdefault((point, mode), []).append(budget)
            scope.tell(f"round {number + 1}: {point:,} a batch, {mode}: {budget.all_cpu:.2f} us")
    return _page(points, {key: min(of, key=lambda budget: budget.all_cpu) for key, of in found.items()})


def _page(points: Sequence[int], found: dict[tuple[int, str], Budget]) -> str:
    rows = []
    for point in points:
        least, exactly = (found[point, mode] for mode in MODES)
        shown = [f"{each.all_cpu:.2f}, {MILLION / each.all_wall:,.0f}" for each in (least, exactly)]
        dearer, slower = exactly.all_cpu / least.all_cpu - 1, 1 - least.all_wall / exactly.all_wall
        rows.append([f"{point:,}", *shown, f"{dearer:+.0%}", f"{-slower:+.0%}"])
    titles = ["events per batch", *(f"{mode}: CPU us/event, events/s" for mode in MODES), "CPU", "events/s"]
    lines = {mode: [found[point, mode].all_cpu for point in points] for mode in MODES}
    return table(titles, rows) + "\n" + chart("CPU per event", ("events per batch", points), "us", lines)
