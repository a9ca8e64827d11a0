"""How much a sweep measures, and on what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from benchmarks.contenders import LAYOUTS, replica
from benchmarks.peer import BATCHES

BATCH = BATCHES[-1]  # what suits a backlog
# A batch of hashes with hundreds of fields takes Redis more than the default time where it has no core to itself.
PATIENCE_MS = 2000
REPLICAS = {layout: replica(layout, BATCH, patience_ms=PATIENCE_MS) for layout in LAYOUTS}
PACKED = REPLICAS["packed"]


@dataclass(frozen=True, slots=True)
class Scope:
    """How much, and who is told of each run.

    events:  of a backlog, before the replica's share.
    rounds:  of everything but a long run.
    rate:    of a long run, events a second.
    seconds: at each of the rates.
    """

    events: int
    rounds: int
    rate: float
    seconds: float
    console: Console

    @property
    def backlog(self) -> int:
        """Events of it."""
        return round(self.events * PACKED.program.share)

    def tell(self, words: str) -> None:
        """Say what a run came to."""
        self.console.print(words, style="dim")


Sweep = Callable[[Sequence[int], Scope], str]  # measures at its points and returns Markdown
Lines = Mapping[str, Sequence[float]]  # of a chart
