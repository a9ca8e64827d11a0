"""Commits what is written before this replica leaves the group.

The brokers may refuse a commit although the partitions are ours. Under the classic protocol a commit waits behind the
client's pending JoinGroup request, and when the rebalance completes the brokers refuse it for its old generation; with
the default heartbeat interval this takes up to 3 seconds. Under the consumer protocol the epoch in a commit may be
outdated for a moment. While the coordinator moves, no broker accepts commits. In each case the next commit succeeds if
the replica is still a member of the group.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from scorer.kafka.delivery.delivery import Delivery

POLL_SECONDS = 0.01
QUIET_SECONDS = 0.5  # an ordinary stop takes less, and logs nothing

log = structlog.get_logger()


class Member(Protocol):
    """The consumer, as far as leaving needs it."""

    def keep_alive(self, records: None, seconds: float) -> object:
        """Stay in the group for some seconds without reading on."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a replica could not settle before it left.

    events:      how many events are published and not known to be committed: at most these are published again.
    transaction: whether a transaction may be open, which delays readers of committed records until the brokers abort
                 it.
    """

    events: int
    transaction: bool


def commit_before_leaving(
    member: Member, delivery: Delivery, left: Callable[[], float], on_poll: Callable[[], None]
) -> Leftover:
    """Stay in the group, paused, until everything published is committed or the time is up; return what is left.

    Args:
        member: stays in the group meanwhile, so that a rebalance can complete.
        delivery: takes acknowledgements, and commits what is written and still ours.
        left: returns how many seconds are left.
        on_poll: called after each poll.

    Raises:
        Fatal: the brokers refused a write, or the group refused this replica.
    """
    dropped, explain_at = delivery.dropped, time.monotonic() + QUIET_SECONDS
    while True:
        if delivery.settle(left()) or left() <= 0:
            return Leftover(delivery.uncommitted + delivery.dropped - dropped, delivery.transaction_open)
        member.keep_alive(None, POLL_SECONDS)
        on_poll()
        if time.monotonic() > explain_at:
            explain_at = math.inf
            log.info("waiting to commit before leaving the group", events=delivery.uncommitted)
