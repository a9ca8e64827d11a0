"""Who is measured: this project's replica, and the scripts that people write instead."""

import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import peer
from benchmarks.contract import Contract

LAYOUTS = ("hash", "packed")
SCORER = "scorer"
BASE = "batched"  # the rival that every ratio is to, with hashes
SCORES = Path(__file__).parent / "workload" / "score.avsc"
PREDICTIONS = Path(__file__).parents[1] / "schemas" / "prediction.avsc"


@dataclass(frozen=True, slots=True)
class Program:
    """How one is run.

    share:   of the events, so that each takes some seconds.
    layouts: of the features, that it can read.
    schema:  of what it writes.
    command: to run it under a contract.
    """

    share: float
    layouts: tuple[str, ...]
    schema: Path
    command: Callable[[Contract], list[str]]


def _script(name: str) -> Callable[[Contract], list[str]]:
    return lambda _: [sys.executable, "-m", f"benchmarks.rivals.{name}"]


def _replica(contract: Contract) -> list[str]:
    return [sys.executable, "-m", "scorer", "run", "-c", str(peer.configure(contract))]


RIVALS = {
    "naive": Program(0.05, ("hash",), SCORES, _script("naive")),
    "batched": Program(1, LAYOUTS, SCORES, _script("batched")),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that reads features of one layout."""

    name: str
    layout: str
    program: Program = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name}, {self.layout}"


def replica(layout: str, command: Callable[[Contract], list[str]] = _replica) -> Contender:
    """Return this project's replica, as a user runs it or by a command of its own."""
    return Contender(SCORER, layout, Program(3, LAYOUTS, PREDICTIONS, command))


def contenders(rivals: Iterable[str], layouts: Collection[str]) -> list[Contender]:
    """Return the rivals and the replica, each with those of the layouts that it can read."""
    scripts = [
        Contender(name, layout, RIVALS[name]) for name in rivals for layout in RIVALS[name].layouts if layout in layouts
    ]
    return scripts + [replica(layout) for layout in layouts]
