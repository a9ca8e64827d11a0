"""How much a sweep measures, and on which machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from benchmarks.contenders import LAYOUTS, Contender, replica
from benchmarks.peer import BATCHES

# A batch of hashes with hundreds of fields takes Redis more than the default time where it has no core to itself.
PATIENCE = {"timeout_ms": 2000}


@dataclass(frozen=True, slots=True)
class Scope:
    """How much to measure, and a function that is called after each run.

    events:  of a backlog, before the replica's share.
    rounds:  of everything but a long run.
    rate:    of a long run, events a second.
    seconds: at each of the rates.
    batch:   the most events of one, where the sweep is not over that; the default is what suits a backlog.
    """

    events: int
    rounds: int
    rate: float
    seconds: float
    console: Console
    batch: int = BATCHES[-1]

    @property
    def replicas(self) -> Mapping[str, Contender]:
        """A replica for each layout."""
        return {layout: replica(layout, self.batch, features=PATIENCE) for layout in LAYOUTS}

    @property
    def backlog(self) -> int:
        """Events of it."""
        return round(self.events * self.replicas["packed"].program.share)

    def tell(self, words: str) -> None:
        """Report the result of a run."""
        self.console.print(words, style="dim")


Sweep = Callable[[Sequence[int], Scope], str]  # measures at its points and returns Markdown
Lines = Mapping[str, Sequence[float]]  # of a chart
