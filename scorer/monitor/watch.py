"""What the loop reports: the time of each stage, the health of components, and the outcome of each batch."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from scorer.batch import Outcome, Records, Rejected
from scorer.monitor.health import Health
from scorer.monitor.logs import Outages
from scorer.monitor.stages import Stages


class Component(StrEnum):
    """What a replica depends on, by its name in /ready."""

    ASSIGNED = "assigned"
    KAFKA = "kafka"
    FEATURES = "features"
    WRITES = "writes"
    INPUT = "input"
    REGISTRY = "registry"
    ROLLOUT = "rollout"


class Observer(Protocol):
    """Receives the outcome of each batch, on the loop's thread: it must be quick and raise nothing."""

    def scored(self, outcome: Outcome) -> None:
        """A batch was scored; it may be scored again if it cannot be published."""

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """All predictions and dead letters of a batch were acknowledged.

        Args:
            records: the batch.
            outcome: how it was scored.
            unwritable: rows whose prediction was refused, so that they became dead letters.
        """

    def iteration_ended(self, records: Records | None) -> None:
        """An iteration of the loop ended; `records` is None if it had no batch."""


class Watch:
    """Passes on the loop's reports to the stopwatches, to /ready and /live, to the log, and to the observers.

    Args:
        stages: measures stages.
        health: keeps the status of components.
        outages: logs changes of that status.
        observers: receive the outcome of each batch, in this order.

    Attributes:
        stage: returns the stopwatch of a stage, which runs during a `with` block.
    """

    def __init__(self, stages: Stages, health: Health, outages: Outages, observers: Sequence[Observer]) -> None:
        self._stages, self._health, self._outages, self._observers = stages, health, outages, observers
        self.stage = stages.stage

    def begin_iteration(self) -> None:
        """Begin an iteration of the loop now, on this thread; see `Stages`."""
        self._stages.begin_iteration()

    def pause(self) -> None:
        """Pause the iteration until `resume`, which may come on another thread."""
        self._stages.pause()

    def resume(self) -> None:
        """Go on with the iteration."""
        self._stages.resume()

    def heartbeat(self) -> None:
        """Report that the loop is alive."""
        self._health.heartbeat()

    def status(self, component: Component, reason: str = "", shown: str = "") -> None:
        """Set whether a component is healthy.

        Args:
            component: the component.
            reason: why it is not; empty if it is.
            shown: the reason without data of events or features, for /ready; empty if it has none.
        """
        self._health.set(component, not reason, shown or reason or "answering")
        if reason:
            self._outages.unhealthy(component, reason)
        else:
            self._outages.recovered(component)

    def rollout(self, reason: str) -> None:
        """Show in /ready why the newest roll-out state is not served; the replica stays ready, with an older one."""
        self._health.set(Component.ROLLOUT, True, reason or "serving the newest state")  # noqa: FBT003  as above

    def waiting(self, reason: str) -> None:
        """Show in /ready which events wait behind another producer's transaction; the replica stays ready."""
        self._health.set(Component.INPUT, True, reason or "no events are waiting")  # noqa: FBT003  reads as a sentence

    def assigned(self, partitions: int, *, joined: bool, decided: bool) -> None:
        """Report this replica's share of the group's partitions.

        Args:
            partitions: how many it owns.
            joined: whether the group gave it a share, which may be empty.
            decided: whether the group has decided at which offsets it starts.
        """
        undecided = "" if decided else ", and where the group starts is not decided"
        self._health.set(Component.ASSIGNED, joined and decided, f"{partitions} partitions{undecided}")

    def scored(self, outcome: Outcome) -> None:
        """Tell the observers that a batch was scored."""
        for observer in self._observers:
            observer.scored(outcome)

    def written(self, records: Records, outcome: Outcome, unwritable: Sequence[Rejected]) -> None:
        """Tell the observers that a batch was written."""
        for observer in self._observers:
            observer.written(records, outcome, unwritable)

    def iteration_ended(self, records: Records | None) -> None:
        """Tell the observers that an iteration of the loop ended."""
        for observer in self._observers:
            observer.iteration_ended(records)
