"""The results of a run: the history for the checker, and the totals for people."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from tests.delivery.world import place
from tests.torture import checker
from tests.torture.checker import History
from tests.torture.faults import Kind
from tests.torture.load import is_event, number_of
from tests.torture.torture import MAX_RECORDS, Torture
from tests.torture.watch import MODEL, Phase, output_of

IN_FLIGHT = 4  # batches


@dataclass(frozen=True)
class Totals:
    """The totals of some runs of one mode of delivery, and the errors."""

    seeds: tuple[int, ...]
    delivery: str
    seconds: float
    faults: Counter[Kind]
    kills: Counter[Phase | None]
    exits: int
    dropped: int
    events: int
    samples: int
    repeated: int
    repeats_allowed: int
    aborted: int
    found: dict[checker.Kind, list[str]]

    @property
    def convincing(self) -> bool:
        """Whether an error could have been found: each phase occurred, and outputs were repeated or aborted."""
        in_doubt = self.aborted if self.delivery == "exactly-once" else self.repeated
        return set(Phase) <= self.kills.keys() and in_doubt > 0


def totals(run: Torture, seconds: float) -> Totals:
    """Read all records of a finished run, and check them."""
    history = _history(run)
    written = run.world.written(run.world.output) + run.world.written(run.world.dead)
    return Totals(
        seeds=(run.seed,),
        delivery="exactly-once" if run.world.exactly_once else "at-least-once",
        seconds=seconds,
        faults=run.done,
        kills=run.kills,
        exits=run.fleet.exits,
        dropped=run.fleet.dropped,
        events=len(history.inputs),
        samples=len(history.samples),
        repeated=history.repeated,
        repeats_allowed=history.repeats_allowed,
        aborted=written - len(history.outputs),
        found=checker.check(history),
    )


def together(runs: Sequence[Totals]) -> Totals:
    """Add up runs of one mode of delivery."""
    found: dict[checker.Kind, list[str]] = defaultdict(list)
    for run in runs:
        for kind, what in run.found.items():
            found[kind] += [f"seed {run.seeds[0]}: {each}" for each in what]
    return Totals(
        seeds=tuple(seed for run in runs for seed in run.seeds),
        delivery=runs[0].delivery,
        seconds=sum(run.seconds for run in runs),
        faults=sum((run.faults for run in runs), Counter()),
        kills=sum((run.kills for run in runs), Counter()),
        exits=sum(run.exits for run in runs),
        dropped=sum(run.dropped for run in runs),
        events=sum(run.events for run in runs),
        samples=sum(run.samples for run in runs),
        repeated=sum(run.repeated for run in runs),
        repeats_allowed=sum(run.repeats_allowed for run in runs),
        aborted=sum(run.aborted for run in runs),
        found=dict(found),
    )


def _history(run: Torture) -> History:
    world = run.world
    inputs = {place(message): number_of(message.value() or b"") for message in world.read(world.input)}
    events = {at: number for at, number in inputs.items() if is_event(number)}
    return History(
        acknowledged=run.ledger.read(),
        inputs=inputs,
        scores=dict(zip(events, world.scores(list(events.values())).tolist(), strict=True)),
        model=MODEL,
        outputs=[
            output_of(message, dead=dead)
            for topic, dead in ((world.output, False), (world.dead, True))
            for message in world.read(topic)
        ],
        samples=run.watch.samples,
        repeats_allowed=0 if world.exactly_once else _repeats_allowed(run),
        refusals=run.refusals,
    )


def _repeats_allowed(run: Torture) -> int:
    """Return the allowed repeats of each ended replica: batches in flight, one being committed, and those waiting."""
    ended = sum(run.kills.values()) + run.fleet.exits + run.fleet.dropped
    return ended * (IN_FLIGHT + 2) * MAX_RECORDS
