"""Results as tables, for people and for a page."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import pages
from benchmarks.compare import Results

Number = Callable[[float], str]


def show(results: Results, console: Console) -> None:
    """Print the machine and a table for each measurement: the median of the rounds, with the least and the most."""
    console.print(about(results.machine) + "\n", soft_wrap=True)
    console.print(_throughput(results))
    for rate in dict.fromkeys(rate for rate, _ in results.latency):
        console.print()
        console.print(_latency(results, rate))
    if beside := results.beside():
        console.print()
        table = pages.table("this tree / the other", "ratio")
        for each in beside:
            table.add_row(each.figure, _spread(each.ratios, "{:.3f}".format))
        console.print(table)


def about(machine: Mapping[str, Any]) -> str:
    """Return the machine in one line."""
    return (
        f"{machine['processors']} x {machine['processor']}, Python {machine['python']}, {machine['kafka']}, "
        f"{machine['redis']}; load before: {machine['load_before']:.1f}"
    )


def _throughput(results: Results) -> Table:
    table = pages.table(
        "a backlog", "events", "events/s", "CPU us/event", "per CPU-second, x batched", "events/s, x batched", "MB"
    )
    rates = {str(contender): median(run.rate for run in runs) for contender, runs in results.throughput.items()}
    base = rates.get("batched, hash")
    for contender, runs in results.throughput.items():
        ratios = results.ratios(contender)
        table.add_row(
            str(contender),
            f"{runs[0].events:,}",
            _spread([run.rate for run in runs], "{:,.0f}".format),
            _spread([run.cpu_us for run in runs], "{:,.1f}".format),
            _spread(ratios, "{:.2f}".format) if ratios else "-",
            f"{rates[str(contender)] / base:.2f}" if base else "-",
            f"{median(run.megabytes for run in runs):,.0f}",
        )
    return table


def _latency(results: Results, rate: float) -> Table:
    table = pages.table(f"at {rate:,.0f} events/s", "events", "p50 ms", "p99 ms", "longest ms", "CPU us/event")
    for (of, contender), runs in results.latency.items():
        if of == rate:
            table.add_row(
                str(contender),
                f"{runs[0].events:,}",
                _spread([run.p50 for run in runs], "{:,.1f}".format),
                _spread([run.p99 for run in runs], "{:,.1f}".format),
                _spread([run.longest for run in runs], "{:,.0f}".format),
                _spread([run.cpu_us for run in runs], "{:,.0f}".format),
            )
    return table


def _spread(values: Sequence[float], number: Number) -> str:
    """Return the median, with the minimum and the maximum if there are several values."""
    middle = number(median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}-{number(max(values))})"
