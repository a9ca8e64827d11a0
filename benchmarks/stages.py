"""Microseconds per event in each stage of a replica that works through a backlog."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks import pages, peer
from benchmarks.contract import Contract
from benchmarks.workload import Workload, prepare
from scorer.bench import Budget, work_off
from scorer.bench.budget import ROWS
from scorer.cli.shown.progress import counting
from scorer.errors import Fatal
from scorer.sandbox import Sandbox
from scorer.settings import load


def run(replicas: Sequence[tuple[str, int]], events: int, rounds: int, console: Console) -> int:
    """Measure a replica with each layout and size of batch, print a table, and return 0.

    Of the rounds of each, the one that took the processor least is shown: what else the machine does only adds.

    Raises:
        Fatal: a run failed.
    """
    budgets: dict[str, list[Budget]] = {}
    workload = prepare(console.print)
    with Sandbox() as sandbox:
        workload.load_redis(sandbox.redis.url)
        for number in range(1, rounds + 1):
            for layout, batch in replicas:
                budget = measure(sandbox, workload, layout, events, batch={"max_records": batch})
                budgets.setdefault(f"{layout}, {batch:,}", []).append(budget)
                console.print(f"round {number}: {layout}, {batch:,} a batch: {budget.all_cpu:.2f} us", style="dim")
    best = {title: min(found, key=lambda budget: budget.all_cpu) for title, found in budgets.items()}
    pages.output().print(table(best))
    return 0


def measure(sandbox: Sandbox, workload: Workload, layout: str, events: int, **groups: Mapping[str, object]) -> Budget:
    """Let a replica work through a backlog, and return the time per event.

    Args:
        sandbox: Kafka and Redis.
        workload: loaded into that Redis.
        layout: of the features.
        events: of the backlog.
        groups: settings that are not the default's.

    Raises:
        Fatal: it ended, stalled, or made dead letters.
    """
    name = f"budget-{len([*sandbox.folder.iterdir()])}"
    state = sandbox.folder / name
    state.mkdir()
    contract = Contract(
        bootstrap=sandbox.kafka.bootstrap,
        redis=sandbox.redis.address,
        input_topic=f"{name}.events",
        output_topic=f"{name}.scores",
        group=name,
        workload_dir=workload.folder,
        state_dir=state,
        layout=layout,
    )
    settings = load(peer.configure(contract, **groups), environ={}).settings
    result = work_off(settings, sandbox, map(workload.event, range(events)), counting)
    if result.dead_letters:
        raise Fatal(f"{result.dead_letters:,} of {events:,} events became dead letters")
    return result.budget


def table(budgets: dict[str, Budget]) -> Table:
    """Return a row for each stage and a column for each budget: CPU time, and wall time in brackets."""
    shown = pages.table("CPU us/event (wall)", *budgets)
    for stage in ROWS:
        shown.add_row(stage, *(f"{each.cpu[stage]:.2f} ({each.wall[stage]:.2f})" for each in budgets.values()))
    shown.add_row("all", *(f"{each.all_cpu:.2f} ({each.all_wall:.2f})" for each in budgets.values()))
    return shown
