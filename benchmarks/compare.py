"""Measures the contenders in turn, in several rounds, so that other load on the machine affects all of them equally.

Every other round goes backwards, because a run also affects the next one: a machine that was busy may be slower.
"""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import permutations
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks.contenders import BASE, SCORER, Contender, contenders
from benchmarks.measure import Measure, Throughput
from benchmarks.steady import Latency, at_once
from benchmarks.workload import prepare
from scorer.sandbox import Sandbox

HEADROOM = 1.5  # who cannot do this many times a rate is not fed at it: it would only fall behind
_BASE = contenders([BASE], ["hash"], [])[0]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure.

    events:  of a backlog, before each program's share.
    rounds:  of everything.
    rates:   events a second, at which latency is measured.
    seconds: of each such run.
    at_once: measure the latency of replicas that differ in nothing but their code at the same time, with the same
             events; the machine needs room for both.
    """

    contenders: Sequence[Contender]
    events: int = 100_000
    rounds: int = 3
    rates: Sequence[float] = (2000, 10)
    seconds: float = 20
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """A figure of this tree's replica divided by that of another checkout, for each round."""

    figure: str
    ratios: Sequence[float]


@dataclass(slots=True)
class Results:
    """The measurements by contender, one item for each round; latency also by rate."""

    machine: Mapping[str, object]
    throughput: dict[Contender, list[Throughput]] = field(default_factory=dict)
    latency: dict[tuple[float, Contender], list[Latency]] = field(default_factory=dict)

    def ratios(self, contender: Contender) -> list[float]:
        """Events per CPU-second relative to BASE with hashes, for each round; empty if BASE did not run."""
        base = self.throughput.get(_BASE, [])
        return [other.cpu_us / own.cpu_us for other, own in zip(base, self.throughput[contender], strict=False)]

    def beside(self) -> "list[Beside]":
        """Return this tree's replica relative to that of another checkout; empty if none was measured."""
        found = []
        for own, other in permutations(self.throughput, 2):
            if own.name != SCORER or not other.name.startswith(f"{SCORER} of ") or own.limits != other.limits:
                continue
            cpu = [a.cpu_us / b.cpu_us for a, b in zip(self.throughput[own], self.throughput[other], strict=False)]
            found.append(Beside(f"{own}, a backlog: CPU per event", cpu))
            for rate, _ in [key for key in self.latency if key[1] == own]:
                pairs = [*zip(self.latency[rate, own], self.latency[rate, other], strict=False)]
                at = f"{own}, {rate:,.0f} events/s"
                found.append(Beside(f"{at}: p50", [a.p50 / b.p50 for a, b in pairs]))
                found.append(Beside(f"{at}: p99", [a.p99 / b.p99 for a, b in pairs]))
                found.append(Beside(f"{at}: CPU per event", [a.cpu_us / b.cpu_us for a, b in pairs]))
        return found

    def document(self) -> dict[str, object]:
        """Return everything as one JSON document."""
        return {
            "machine": self.machine,
            "throughput": [
                _row(contender, rounds, ratios=self.ratios(contender)) for contender, rounds in self.throughput.items()
            ],
            "latency": [_row(contender, rounds, rate=rate) for (rate, contender), rounds in self.latency.items()],
            "beside": [*map(asdict, self.beside())],
        }


def _row(contender: Contender, rounds: Sequence[Throughput] | Sequence[Latency], **more: object) -> dict[str, object]:
    who = {"name": contender.name, "layout": contender.layout, "batch": contender.batch}
    return {**who, **more, "rounds": [*map(asdict, rounds)]}


def compare(wanted: Wanted, console: Console) -> Results:
    """Measure.

    Args:
        wanted: what.
        console: told of each run.

    Raises:
        Fatal: a run failed: it ended, stalled, or lost, repeated or got wrong a prediction.
    """
    workload = prepare(console.print)
    with Sandbox() as sandbox:
        results = Results(machine(sandbox))
        workload.load_redis(sandbox.redis.url)
        measure = Measure(sandbox, workload)
        for number in range(1, wanted.rounds + 1):
            turn = wanted if number % 2 else replace(wanted, contenders=wanted.contenders[::-1])
            for contender in turn.contenders:
                events = round(wanted.events * contender.program.share)
                run = measure.throughput(contender, events)
                results.throughput.setdefault(contender, []).append(run)
                said = f"{run.rate:,.0f} events/s, {run.cpu_us:.1f} us of CPU per event"
                console.print(f"round {number}: {contender}: {said}", style="dim")
            _latencies(turn, results, measure, console)
    return results


def _latencies(wanted: Wanted, results: Results, measure: Measure, console: Console) -> None:
    for rate in wanted.rates:
        able = []
        for contender in wanted.contenders:
            if median(run.rate for run in results.throughput[contender]) < HEADROOM * rate:
                console.print(f"{contender} cannot keep up with {rate:,.0f} events/s", style="dim")
            else:
                able.append(contender)
        for group in alike(able) if wanted.at_once else [[contender] for contender in able]:
            for contender, steady in zip(group, at_once(measure, group, rate, wanted.seconds), strict=True):
                run = steady.whole()
                results.latency.setdefault((rate, contender), []).append(run)
                said = f"{contender} at {rate:,.0f} events/s: p50 {run.p50:.1f} ms, p99 {run.p99:.1f} ms"
                console.print(said, style="dim")


def alike(contenders: Sequence[Contender]) -> list[list[Contender]]:
    """Return the contenders, those together that are replicas with the same limits."""
    groups: dict[object, list[Contender]] = {}
    for contender in contenders:
        groups.setdefault(contender.limits if contender.batch else contender, []).append(contender)
    return [*groups.values()]


def machine(sandbox: Sandbox) -> dict[str, object]:
    """Return the machine, and its load before the run."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processors": os.cpu_count(),
        "processor": models[0] if models else platform.processor(),
        "python": platform.python_version(),
        "kafka": sandbox.kafka.version,
        "redis": sandbox.redis.version,
        "load_before": os.getloadavg()[0],
    }
