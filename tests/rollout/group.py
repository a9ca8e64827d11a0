"""A simulated group of replicas with a canary: their real sums and decisions, in one log, in any interleaving."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scorer.batch import Matrix, Origin, Outcome, Predictions, Reason, Records, Rejected
from scorer.rollout import Board, Canary, Guards, Held, Log, State, Tally, withdrawal

MODEL, CHAMPION, CANARY = "m", "1", "2"
EVENTS_A_SECOND = 2_000.0
ROW_SECONDS, CALL_SECONDS = 5e-6, 1e-4
STALLED, STALL_SECONDS = 0.02, 0.02  # calls during which the machine does something else

Scores = NDArray[np.float32]


@dataclass
class Traffic:
    """Events, and what both versions make of them.

    pool:    [events], the scores of the champion, of all events that may come.
    canary:  [events], those of the canary.
    arm:     [events], 1 for those of the canary.
    keys:    [events], or empty.
    chances: [events], how likely each event comes; None for all alike.
    failing: the share of events that become dead letters, of the champion and of the canary.
    slower:  by what factor the canary is slower.
    """

    pool: Scores
    canary: Scores
    arm: NDArray[np.uint8]
    keys: list[bytes] = field(default_factory=list)
    chances: NDArray[np.float64] | None = None
    failing: tuple[float, float] = (0.0, 0.0)
    slower: float = 1.0

    def batch(self, chance: np.random.Generator, rows: int, *, guarded: bool) -> tuple[Records, Outcome]:
        """Return a batch as it was written; all by the champion, after the canary is withdrawn."""
        at = chance.choice(len(self.pool), rows, p=self.chances)
        arm = self.arm[at] if guarded else np.zeros(rows, np.uint8)
        fails = chance.random(rows) < np.where(arm, self.failing[1], self.failing[0])
        rejected = [Rejected(row, Reason.NO_FEATURES, "") for row in np.flatnonzero(fails).tolist()]
        shares = np.bincount(arm, minlength=2)
        seconds = CALL_SECONDS + ROW_SECONDS * shares * [1.0, self.slower]
        seconds += STALL_SECONDS * (chance.random(2) < STALLED)
        scores = np.where(arm, self.canary[at], self.pool[at])
        keys = [self.keys[each] for each in at.tolist()] if self.keys else []
        return written(scores, arm, rejected=rejected, seconds=seconds.tolist()[: 1 + guarded], keys=keys)


def written(
    scores: Scores,
    arm: NDArray[np.uint8],
    *,
    rejected: Sequence[Rejected] = (),
    seconds: Sequence[float] = (),
    keys: Sequence[bytes | None] = (),
) -> tuple[Records, Outcome]:
    """Return a batch, and how it was scored by the champion and the canary, or by the champion if no time is known."""
    rows = len(scores)
    empty = np.zeros(rows, np.int64)
    origin = Origin((), empty.astype(np.int32), empty.astype(np.int32), empty)
    left = np.delete(np.arange(rows), [each.row for each in rejected])
    data = np.zeros(0, np.uint8)
    predictions = Predictions(
        rows=left,
        data=data,
        id_starts=empty,
        id_ends=empty,
        scores=scores,
        model=MODEL,
        arms=((CHAMPION, "champion"), (CANARY, "canary"))[: len(seconds) or 1],
        arm=arm,
        entities=(),
        missing=np.zeros((rows, 0), np.bool_),
        degraded=False,
        origin=origin,
        event_time=empty,
        scored_at=0,
    )
    matrix = Matrix(np.zeros((rows, 0), np.float32), np.zeros((rows, 0), np.bool_))
    records = Records((), origin.topic, origin.partition, empty, empty, keys or [None] * rows, data, empty)
    return records, Outcome(predictions, rejected, matrix, (), 0, seconds)


class Replica:
    """One of the group: it counts, tells, and reads the log when it comes to it."""

    def __init__(self, name: str, first: list[bytes]) -> None:
        self.tally, self.board, self.log = Tally(name), Board(MODEL), Log(MODEL)
        self.tally.switch(on=True)
        self._next = 0
        self.read([(value, 0.0) for value in first])

    def read(self, log: list[tuple[bytes, float]]) -> None:
        """Read to the end, as `ControlTopic` does."""
        for value, seconds in log[self._next :]:
            if self.log.read(value):
                self.board.changed(self.log.held)
            else:
                self.board.heard(value, seconds)
        self._next = len(log)

    @property
    def guarded(self) -> bool:
        """Whether it still serves the canary."""
        return bool(self.board.state and self.board.state.canaries)


@dataclass
class Size:
    """How large a simulation is."""

    events: int
    replicas: int
    seed: int
    batch: int = 2_000  # the most events of a batch


@dataclass
class Result:
    """What a canary did until it was withdrawn, or until the events ended."""

    events: int
    by_canary: int
    why: str
    changes: int


def run(
    traffic: Traffic,
    guards: Guards,
    percent: float,
    size: Size,
    watch: Callable[[Board], None] | None = None,
) -> Result:
    """Let replicas score events, each at its own pace; each step is a batch, a record or a look at the log."""
    chance = np.random.default_rng(size.seed)
    state = State(champion=CHAMPION, canaries=(Canary(version=CANARY, percent=percent, salt="2"),), guards=guards)
    begin = Held().next("canary", state, State(champion=CHAMPION), by="a@b")
    log = [(Log(MODEL).record(begin), 0.0)]
    group = [Replica(f"r{number}", [log[0][0]]) for number in range(size.replicas)]
    scored = by_canary = 0
    while scored < size.events and any(replica.guarded for replica in group):
        replica = group[int(chance.integers(size.replicas))]
        now, step = scored / EVENTS_A_SECOND, chance.random()
        if step < 0.5:
            rows = int(chance.integers(1, size.batch))
            records, outcome = traffic.batch(chance, rows, guarded=replica.guarded)
            replica.tally.written(records, outcome, [])
            scored += rows
            by_canary += int(outcome.predictions.arm.sum())
        elif step < 0.75 and replica.board.guards:
            sums = replica.tally.sums(replica.board, replica.board.guards)
            if sums is not None:
                log.append((sums.record(MODEL), now))
        else:
            replica.read(log)
            if watch:
                watch(replica.board)
            decision = replica.board.decision
            if decision and decision.replica == replica.tally.replica:
                log.append((Log(MODEL).record(withdrawal(replica.board.held, decision)), now))
    for replica in group:
        replica.read(log)
    assert len({str(replica.board.state) for replica in group}) == 1, "all agree"
    history = group[0].log.held.history
    return Result(scored, by_canary, history[-1].why, len(history))
