"""Committing what is written before this replica leaves the group.

A commit may be refused although the partitions are ours. Under the classic protocol a commit waits behind the client's
pending JoinGroup request, and when the rebalance completes the brokers refuse it for its old generation: with the
default heartbeat that takes up to 3 seconds. Under the consumer protocol the epoch in a commit may be outdated for a
moment. While the coordinator moves nobody takes commits at all. In each case the next commit succeeds, provided that
the replica is still a member to send it.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from scorer.kafka.delivery.delivery import Delivery

TURN_SECONDS = 0.01
QUIET_SECONDS = 0.5  # an ordinary stop takes less, and needs no explanation

log = structlog.get_logger()


class Member(Protocol):
    """The consumer, as far as leaving needs it."""

    def hold(self, records: None, seconds: float) -> object:
        """Stay in the group for some seconds without reading on."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a replica could not settle before it left.

    events:      published and not known to be committed: at most so many are published again.
    transaction: may be open until the brokers abort it, and holds up readers of committed records until then.
    """

    events: int
    transaction: bool


def commit_before_leaving(
    member: Member, delivery: Delivery, left: Callable[[], float], turned: Callable[[], None]
) -> Leftover:
    """Stay in the group, paused, until everything published is committed or time is up; return what is left over.

    Args:
        member: remains in the group meanwhile, so that a rebalance can complete.
        delivery: takes acknowledgements, and commits what is written and still ours.
        left: returns how many seconds are left.
        turned: called in each turn of the wait.

    Raises:
        Fatal: the brokers refused a write, or the group refused this replica.
    """
    dropped, explain_at = delivery.dropped, time.monotonic() + QUIET_SECONDS
    while True:
        if delivery.settle(left()) or left() <= 0:
            return Leftover(delivery.uncommitted + delivery.dropped - dropped, delivery.transaction_open)
        member.hold(None, TURN_SECONDS)
        turned()
        if time.monotonic() > explain_at:
            explain_at = math.inf
            log.info("waiting to commit before leaving the group", events=delivery.uncommitted)
