"""Adds up the sums of all replicas. Every reader of the log gets the same result, since all read it in one order."""

from dataclasses import dataclass, replace
from typing import Protocol

from scorer.rollout.changes import canary
from scorer.rollout.guards import Guards
from scorer.rollout.history import Change, Held
from scorer.rollout.sums import ArmSums, Sums, read_sums
from scorer.rollout.verdict import Verdict, judge


class Listener(Protocol):
    """Receives every record of the log, in order."""

    def changed(self, held: Held) -> None:
        """Take a new state; also called when the log is read from its beginning again."""

    def heard(self, value: bytes | None, seconds: float) -> None:
        """Take a record other than a change.

        Args:
            value: its value.
            seconds: its time, Unix seconds.
        """


@dataclass(frozen=True, slots=True)
class Decision:
    """A canary that has to be withdrawn.

    version: the canary.
    verdict: why.
    replica: the replica whose sums decided it, and which therefore writes the change.
    """

    version: str
    verdict: Verdict
    replica: str


class Board:
    """Adds up the sums of all replicas in the current window, and judges the canaries at each record.

    The window ends for all replicas with the same record of the log: the one that makes it full or too old. Sums of an
    earlier window that arrive later do not count: their replica adds them to the next window. If compaction has removed
    earlier records, a reader takes the number of the window from the records that remain.

    Args:
        model: the model's name.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self.changed(Held())

    def changed(self, held: Held) -> None:
        """Start over with another state."""
        self.held, self.change = held, held.token
        self.state = None if held.problem else held.state
        self.edges: tuple[float, ...] = ()
        self.decision: Decision | None = None
        self.window, self.closed = 0, dict[str, int]()
        self._latest: dict[str, Sums] = {}
        self._opened = 0.0

    @property
    def guards(self) -> Guards | None:
        """The guards of the state; None if it has no canaries."""
        return self.state.guards if self.state and self.state.canaries else None

    def heard(self, value: bytes | None, seconds: float) -> None:
        """Take a record; ignore it unless it has sums for the current state."""
        sums = read_sums(value, self._model)
        guards = self.guards
        if sums is None or guards is None or sums.change != self.change or sums.window < self.window:
            return
        if sums.window > self.window:
            self._open(sums.window)
        if not self._latest:
            self._opened = seconds
        self.edges = self.edges or sums.edges
        self._latest[sums.replica] = sums
        arms = self.arms()
        self.decision = self.decision or self._judged(guards, arms, sums.replica)
        full = sum(arm.events for arm in arms.values()) >= guards.window.events
        if full or seconds - self._opened >= guards.window.seconds:
            self._open(self.window + 1)

    def counted(self, replica: str) -> int:
        """Return the number of a replica's last record that counts in the window; 0 if none does."""
        sums = self._latest.get(replica)
        return sums.number if sums else 0

    def arms(self) -> dict[str, ArmSums]:
        """Return the sums of each version in the window, over all replicas."""
        total: dict[str, ArmSums] = {}
        for sums in self._latest.values():
            for version, arm in sums.arms.items():
                counted = arm if sums.edges == self.edges else replace(arm, bins=())
                total[version] = total.get(version, ArmSums()) + counted
        return total

    def _open(self, window: int) -> None:
        self.closed |= {sums.replica: sums.number for sums in self._latest.values()}
        self.window, self._latest = window, {}

    def _judged(self, guards: Guards, arms: dict[str, ArmSums], replica: str) -> Decision | None:
        state = self.state
        if state is None:
            return None
        champion = arms.get(state.champion, ArmSums())
        for each in state.canaries:
            verdict = judge(guards, champion, arms.get(each.version, ArmSums()))
            if verdict is not None:
                return Decision(each.version, verdict, replica)
        return None


def withdrawal(held: Held, decision: Decision) -> Change:
    """Return the change that a decision demands.

    Args:
        held: the state that was guarded.
        decision: the decision.
    """
    assert held.state is not None  # noqa: S101  a decision is about the canary of a state
    after = canary(held.state, decision.version, 0)
    why = f"{decision.verdict.guard}: {decision.verdict.why}"
    return held.next("withdraw", after, held.state, by="guard", why=why)
