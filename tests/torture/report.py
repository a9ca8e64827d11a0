"""Renders the totals of long runs as a page."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tests.torture.checker import Kind as Found
from tests.torture.checker import tell
from tests.torture.evidence import Totals
from tests.torture.faults import Kind
from tests.torture.watch import Phase

INTRODUCTION = """# Torture

Made by `make torture` on {when:%Y-%m-%d}: replicas under a steady load, on a real broker and a real Redis, while random
faults are done to all of them. What is checked and how to read this stands in [guarantees](../docs/guarantees.md).
"""


def page(runs: Sequence[Totals]) -> str:
    """Return the page of some runs, with a column for each run."""
    rows: list[tuple[str, Sequence[object]]] = [
        ("seeds", [", ".join(map(str, run.seeds)) for run in runs]),
        ("seconds of faults", [round(run.seconds) for run in runs]),
        ("events", [f"{run.events:,}" for run in runs]),
        ("**kills of replicas**", [sum(run.kills.values()) for run in runs]),
        *[(f"killed: {phase}", [run.kills[phase] for run in runs]) for phase in Phase],
        ("killed: brokers away, so not known", [run.kills[None] for run in runs]),
        *[(str(kind), [run.faults[kind] for run in runs]) for kind in Kind if kind is not Kind.KILL],
        ("exits after a refused write", [run.exits for run in runs]),
        ("partitions lost to the group, times", [run.dropped for run in runs]),
        ("changes of committed offsets, compared with outputs", [f"{run.samples:,}" for run in runs]),
        ("outputs repeated, for readers of committed data", [f"{run.repeated:,}" for run in runs]),
        ("... of so many that may be", [f"{run.repeats_allowed:,}" for run in runs]),
        ("outputs aborted", [f"{run.aborted:,}" for run in runs]),
        *[(f"**{kind}**", [len(run.found.get(kind, ())) for run in runs]) for kind in Found if kind != Found.REPEATED],
    ]
    lines = [
        INTRODUCTION.format(when=datetime.now(UTC)),
        _row("", [run.delivery for run in runs]),
        _row("---", ["---:" for _ in runs]),
        *[_row(name, values) for name, values in rows],
    ]
    found = [f"{run.delivery}: {tell(run.found)}" for run in runs if run.found]
    return "\n".join([*lines, *(["", "Found:", "", *found] if found else [])]) + "\n"


def _row(name: str, values: Sequence[object]) -> str:
    return f"| {name} | {' | '.join(map(str, values))} |"
