"""The latest records of each replica of a group, and the rates and latencies that follow from them."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from scorer.monitor.metrics import END_TO_END_SECONDS
from scorer.page.status import Status, added

GONE_SECONDS = 5.0  # a replica without a record for this long was killed, or cannot reach the brokers
FORGOTTEN_SECONDS = 600.0  # after which a replica that is gone is no longer shown
RATE_SECONDS = 5.0  # the period over which rates are computed
LATENCY_SECONDS = 10.0  # the period over which percentiles are computed
DEAD_LETTER = "dead_letter"
BOUNDS = (*END_TO_END_SECONDS, END_TO_END_SECONDS[-1])  # a latency above the last bound is shown as that bound


@dataclass(slots=True)
class ReplicaRecords:
    """The last records of one replica, each with its time of arrival (Unix seconds, by this machine's clock)."""

    records: deque[tuple[float, Status]] = field(default_factory=deque)

    @property
    def last(self) -> Status:
        """The newest record."""
        return self.records[-1][1]

    @property
    def heard(self) -> float:
        """When the newest record arrived."""
        return self.records[-1][0]

    def take(self, status: Status, at: float) -> None:
        """Take a record, and drop those that are too old to compare it with."""
        self.records.append((at, status))
        while len(self.records) > 2 and self.records[1][0] <= at - LATENCY_SECONDS:  # noqa: PLR2004  one to compare
            self.records.popleft()

    def since(self, seconds: float) -> Status:
        """Return the record to compare the newest with: the last one that is this much older, or else the first."""
        before = [status for at, status in self.records if at <= self.heard - seconds]
        return before[-1] if before else self.records[0][1]


@dataclass(frozen=True, slots=True)
class Rates:
    """The events per second of a replica, by outcome and by arm (name, version)."""

    outcomes: dict[str, float]
    arms: dict[tuple[str, str], float]

    @property
    def events(self) -> float:
        """All outcomes together."""
        return sum(self.outcomes.values())


def rates_of(told: ReplicaRecords) -> Rates:
    """Return the rates of a replica over RATE_SECONDS."""
    new, old = told.last, told.since(RATE_SECONDS)
    if new is old and len(told.records) == 1:
        return Rates({}, {})
    seconds = new.time - old.time
    if seconds <= 0:
        return Rates({}, {})
    before = {(arm.name, arm.version): arm.events for arm in old.arms}
    outcomes = {name: max(0, count - old.outcomes.get(name, 0)) / seconds for name, count in new.outcomes.items()}
    arms = {
        (arm.name, arm.version): max(0, arm.events - before.get((arm.name, arm.version), 0)) / seconds
        for arm in new.arms
    }
    return Rates(outcomes, arms)


class Board:
    """Keeps the newest records of each replica of a group.

    Args:
        group: the consumer group; records of others are ignored.
    """

    def __init__(self, group: str) -> None:
        self._group = group
        self._told: dict[str, ReplicaRecords] = {}

    def heard(self, replica: str, status: Status | None, at: float) -> None:
        """Take a record.

        Args:
            replica: the name in the record's key.
            status: the record; None if the replica has left.
            at: when it arrived, Unix seconds.
        """
        if status is None:
            self._told.pop(replica, None)
        elif status.group == self._group:
            self._told.setdefault(replica, ReplicaRecords()).take(status, at)

    def forget(self, now: float) -> None:
        """Drop the replicas that have been gone for long."""
        for name in [name for name, told in self._told.items() if now - told.heard > FORGOTTEN_SECONDS]:
            del self._told[name]

    def all(self) -> list[tuple[str, ReplicaRecords]]:
        """Return the replicas, in the order of their names."""
        return sorted(self._told.items(), key=lambda each: (each[1].last.name, each[1].last.started))

    def alive(self, now: float) -> list[ReplicaRecords]:
        """Return the replicas that are not gone."""
        return [told for _, told in self.all() if now - told.heard <= GONE_SECONDS]


def latency(told: Iterable[ReplicaRecords], quantiles: Sequence[float]) -> list[float | None]:
    """Return quantiles of the recent end-to-end latency of all replicas, in seconds; None without events."""
    rows = [
        [new - old for new, old in zip(each.last.latency, each.since(LATENCY_SECONDS).latency, strict=True)]
        for each in told
        if len(each.records) > 1
    ]
    counts = added(rows)
    return [quantile(counts, each) for each in quantiles]


def quantile(cumulative: Sequence[int], share: float) -> float | None:
    """Return a quantile of a histogram, on a straight line within its bucket.

    Args:
        cumulative: how many are at most each of END_TO_END_SECONDS, then all.
        share: 0 to 1.
    """
    if not cumulative or cumulative[-1] <= 0:
        return None
    wanted = share * cumulative[-1]
    at = next(index for index, count in enumerate(cumulative) if count >= wanted)
    low, below = (BOUNDS[at - 1], cumulative[at - 1]) if at else (0.0, 0)
    inside = cumulative[at] - below
    return low + (BOUNDS[at] - low) * ((wanted - below) / inside if inside else 1.0)
