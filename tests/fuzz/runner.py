"""Runs chunks, each in a process of its own with limits on its memory and its time.

A chunk whose process dies, hangs or wants more memory is a finding, with what it takes to repeat it.
"""

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.fuzz import chunk
from tests.fuzz.totals import Totals

MEMORY = 2**29  # bytes that a chunk may have beyond what its process starts with
SECONDS = 600.0  # of a chunk, which takes some ten on a machine of its own
_PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Plan:
    """What each chunk does.

    seed:     of all of them.
    families: of schemas in each.
    share:    one mutant of so many is compared with the oracles.
    seconds:  that each may take.
    """

    seed: int
    families: int = 10
    share: int = 200
    seconds: float = SECONDS

    @property
    def mutants(self) -> int:
        """How many mutants a chunk has."""
        return self.families * chunk.FAMILY


def run(plan: Plan, numbers: list[int], jobs: int) -> Iterator[tuple[int, Totals]]:
    """Run chunks, and yield the number and the totals of each as it ends."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.fuzz.runner"])  # so that a chunk begins with its kernels loaded
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(alone, context, plan, number): number for number in numbers}
        for ended in as_completed(waiting):
            yield waiting[ended], ended.result()


def alone(context: Any, plan: Plan, number: int) -> Totals:
    """Run a chunk in a process of its own; how that ended badly is among its findings."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, plan, number))
    process.start()
    theirs.close()
    totals = Totals()
    try:
        if ours.poll(plan.seconds):
            totals = Totals.of_json(json.loads(ours.recv_bytes()))
        else:
            totals.findings.append(f"chunk {number}: no end after {plan.seconds:g} s")
    except EOFError:
        process.join()
        totals.findings.append(f"chunk {number}: its process ended with {process.exitcode}")
    process.kill()
    process.join()
    ours.close()
    return totals


def _child(answer: Connection, plan: Plan, number: int) -> None:
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        totals = chunk.run(plan.seed, number, plan.families, plan.share)
    except Exception as error:  # noqa: BLE001  whatever the decoder raises, MemoryError too, is a finding
        totals = Totals(findings=[f"chunk {number}: {type(error).__name__}: {error}"])
    answer.send_bytes(json.dumps(totals.to_json()).encode())
