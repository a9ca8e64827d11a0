"""What it gains to look the next batch up while the current one is scored, by the time of a round trip to Redis."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import median

from benchmarks import peer
from benchmarks.contenders import replica
from benchmarks.contract import Contract
from benchmarks.measure import MILLION, Measure, Throughput, measuring
from benchmarks.peer import BATCHES
from benchmarks.sweeps.chart import table
from benchmarks.sweeps.scope import PATIENCE, Scope
from benchmarks.waits import AHEAD, IN_TURN
from benchmarks.workload import prepare
from scorer.sandbox.proxy import Proxy

WAYS = (IN_TURN, AHEAD)


@dataclass(frozen=True, slots=True)
class Run:
    """A backlog, and the microseconds of an event in which the replica sent and awaited look-ups."""

    throughput: Throughput
    look_up_us: float


Runs = dict[tuple[int, int, str], list[Run]]  # of each round, by microseconds, batch and way


def round_trips(points: Sequence[int], scope: Scope) -> str:
    """Measure by microseconds of a round trip and size of a batch; shows medians of the rounds."""
    workload, runs = prepare(scope.tell), Runs()
    with measuring(workload) as measure, Proxy(measure.sandbox.redis.address) as proxy:
        for number, point, batch, way in product(range(scope.rounds), points, BATCHES, WAYS):
            proxy.set(latency_s=point / 2 / MILLION)
            run = _run(measure, way, batch, proxy.address, scope.backlog)
            runs.setdefault((point, batch, way), []).append(run)
            said = f"{run.throughput.rate:,.0f} events/s, {run.look_up_us:.1f} us of look-ups per event"
            scope.tell(f"round {number + 1}: {point:,} us, {batch:,} a batch, {way}: {said}")
    return _page(points, runs)


def _run(measure: Measure, way: str, batch: int, redis: str, events: int) -> Run:
    contracts, features = list[Contract](), {"url": f"redis://{redis}", **PATIENCE}

    def command(contract: Contract) -> list[str]:
        contracts.append(contract)
        file = peer.configure(contract, batch={"max_records": batch}, features=features)
        noted = str(contract.state_dir / "look_up")
        return [sys.executable, "-m", "benchmarks.waits", noted, way, "run", "-c", str(file)]

    contender = replica("hash", batch)
    throughput = measure.throughput(replace(contender, program=replace(contender.program, command=command)), events)
    seconds = json.loads((contracts[0].state_dir / "look_up").read_text())
    return Run(throughput, MILLION * seconds / events)


def _page(points: Sequence[int], runs: Runs) -> str:
    rows = []
    for point, batch in product(points, BATCHES):
        turn, ahead = (runs[point, batch, way] for way in WAYS)
        gains = [two.throughput.rate / one.throughput.rate - 1 for one, two in zip(turn, ahead, strict=True)]
        spread = f"{median(gains):+.0%} ({min(gains):+.0%} to {max(gains):+.0%})"
        looks = [f"{median(run.look_up_us for run in of):.1f}" for of in (turn, ahead)]
        rates = [f"{median(run.throughput.rate for run in of):,.0f}" for of in (turn, ahead)]
        rows.append([f"{point / 1000:g}", f"{batch:,}", *looks, *rates, spread])
    titles = ["round trip ms", "a batch", *(f"{way}: us of look-ups" for way in WAYS)]
    return table([*titles, *(f"{way}: events/s" for way in WAYS), "events/s, by round"], rows)
