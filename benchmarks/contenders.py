"""The measured programs: this project's replica, and the scripts that people write instead."""

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
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
    """How a contender is run.

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


RIVALS = {
    "naive": Program(0.05, ("hash",), SCORES, _script("naive")),
    "batched": Program(1, LAYOUTS, SCORES, _script("batched")),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that reads features of one layout; `batch` is its largest batch, if that can be chosen."""

    name: str
    layout: str
    program: Program = field(repr=False, compare=False)
    batch: int | None = None

    @property
    def limits(self) -> tuple[str, int | None]:
        """The properties that two replicas must share to be compared."""
        return self.layout, self.batch

    def __str__(self) -> str:
        return f"{self.name}, {self.layout}" + (f", {self.batch:,} a batch" if self.batch else "")


def replica(layout: str, most: int, tree: Path | None = None, **groups: Mapping[str, object]) -> Contender:
    """Return this project's replica.

    Args:
        layout: of the features.
        most: events of a batch.
        tree: another checkout of this project, with its own `.venv`, whose replica runs instead.
        groups: settings that are not the default's, as in the file.
    """
    groups["batch"] = {"max_records": most, **groups.get("batch", {})}

    def command(contract: Contract) -> list[str]:
        file = peer.configure(contract, **groups)
        program = [str(tree.absolute() / ".venv/bin/scorer")] if tree else [sys.executable, "-m", "scorer"]
        return [*program, "run", "-c", str(file)]

    name = f"{SCORER} of {tree.name}" if tree else SCORER
    schema = tree / "schemas" / PREDICTIONS.name if tree else PREDICTIONS  # an earlier version may have fewer fields
    return Contender(name, layout, Program(3, LAYOUTS, schema, command), most)


def contenders(
    rivals: Iterable[str], layouts: Collection[str], batches: Collection[int], tree: Path | None = None
) -> list[Contender]:
    """Return the contenders, in the order in which they take turns.

    Args:
        rivals: names of the scripts, each with those of the layouts that it can read.
        layouts: of the features, for the replica.
        batches: the most events of a batch, for the replica.
        tree: another checkout, whose replica follows this one's in each turn.
    """
    scripts = [
        Contender(name, layout, RIVALS[name]) for name in rivals for layout in RIVALS[name].layouts if layout in layouts
    ]
    trees = (None, tree) if tree else (None,)
    return scripts + [replica(layout, batch, tree=each) for layout in layouts for batch in batches for each in trees]
