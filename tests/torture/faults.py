"""The faults of a run and their times, all derived from its seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of faults."""

    KILL = "kill -9 of a replica"
    TERMINATE = "SIGTERM to a replica"
    STALL = "SIGSTOP of a replica"
    LONG_STALL = "SIGSTOP of a replica, longer than its session"
    REDIS_PAUSE = "SIGSTOP of Redis"
    REDIS_KILL = "kill -9 of Redis"
    REDIS_RESTART = "orderly restart of Redis"
    BROKER_KILL = "kill -9 of the broker"
    BROKER_PAUSE = "SIGSTOP of the broker"
    REFUSE = "refused writes"
    RESIZE = "a replica joins, or leaves where there is no room for another"


SESSION_SECONDS = 3.0
SECONDS: dict[Kind, tuple[float, float]] = {  # the shortest and longest duration; the other faults have no duration
    Kind.STALL: (0.1, 1.0),
    Kind.LONG_STALL: (1.3 * SESSION_SECONDS, 2 * SESSION_SECONDS),
    Kind.REDIS_PAUSE: (0.2, 2.0),
    Kind.REDIS_KILL: (0.1, 1.5),
    Kind.REDIS_RESTART: (0.1, 1.5),
    Kind.BROKER_KILL: (0.0, 2.0),
    Kind.BROKER_PAUSE: (0.1, 1.5),
    Kind.REFUSE: (0.3, 1.5),
}
AGAIN = [*[Kind.KILL] * 6, Kind.RESIZE]  # the cards of a deck beyond one of each kind
PAUSE_SECONDS = (0.05, 0.6)


@dataclass(frozen=True)
class Fault:
    """A fault.

    Args:
        after: seconds after the previous fault.
        kind: the kind of fault.
        seconds: how long it lasts.
        chance: a number from 0 to 1 that selects the target.
    """

    after: float
    kind: Kind
    seconds: float
    chance: float

    def __str__(self) -> str:
        return f"{self.kind} ({self.seconds:.1f} s)" if self.seconds else str(self.kind)


def faults(seed: int) -> Iterator[Fault]:
    """Yield faults for ever, from one shuffled deck after another, so that even a short run has every kind."""
    chance = random.Random(seed)  # noqa: S311  makes a run reproducible, no secret
    while True:
        deck = [*Kind, *AGAIN]
        chance.shuffle(deck)
        for kind in deck:
            seconds = chance.uniform(*SECONDS[kind]) if kind in SECONDS else 0.0
            yield Fault(chance.uniform(*PAUSE_SECONDS), kind, seconds, chance.random())
