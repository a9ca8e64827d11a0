"""Committing what is written before partitions go: when this replica leaves the group, and when they are revoked.

A commit may be refused although the partitions are ours. Under the classic protocol a commit waits behind the client's
pending JoinGroup request, and when the rebalance completes the brokers refuse it for its old generation: with the
default heartbeat that takes up to 3 seconds. Under the consumer protocol the epoch in a commit may be outdated for a
moment. While the coordinator moves nobody takes commits at all. In each case the next commit succeeds, provided that
the replica is still a member to send it.
"""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from scorer.kafka.delivery.checkpoint import Checkpoint
from scorer.kafka.offsets import Partition

TURN_SECONDS = 0.01
QUIET_SECONDS = 0.5  # an ordinary stop takes less, and needs no explanation
REVOKE_SECONDS = 2.0  # for an outdated epoch to be replaced; a lost membership never is
RETRY_SECONDS = 0.05

log = structlog.get_logger()


class Member(Protocol):
    """The consumer, as far as leaving needs it."""

    def hold(self, records: None, seconds: float) -> object:
        """Stay in the group for some seconds without reading on."""


class Writer(Protocol):
    """The producer, as far as leaving needs it."""

    def settle(self, seconds: float) -> bool:
        """Take delivery reports; return whether no transaction is left open."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a replica could not settle before it left.

    events:      published and not known to be committed: at most so many are published again.
    transaction: may be open until the brokers abort it, and holds up readers of committed records until then.
    """

    events: int
    transaction: bool


def commit_before_leaving(
    member: Member, writer: Writer, checkpoint: Checkpoint, left: Callable[[], float], turned: Callable[[], None]
) -> Leftover:
    """Stay in the group, paused, until everything published is committed or time is up; return what is left over.

    Args:
        member: remains in the group meanwhile, so that a rebalance can complete.
        writer: takes the acknowledgements of what is in flight.
        checkpoint: commits what is written and still ours. One commit at a time is on its way, as ever.
        left: returns how many seconds are left.
        turned: called in each turn of the wait.

    Raises:
        Fatal: the brokers refused a write, or the group refused this replica.
    """
    dropped, explain_at = checkpoint.dropped, time.monotonic() + QUIET_SECONDS
    while True:
        settled = writer.settle(left())
        checkpoint.settle()
        if (settled and checkpoint.clear) or left() <= 0:
            return Leftover(checkpoint.uncommitted + checkpoint.dropped - dropped, not settled)
        member.hold(None, TURN_SECONDS)
        turned()
        if time.monotonic() > explain_at:
            explain_at = math.inf
            log.info("waiting to commit before leaving the group", events=checkpoint.uncommitted)


def commit_before_revocation(checkpoint: Checkpoint) -> None:
    """Commit what is written, within a callback of the consumer; try again where that is refused for a moment.

    Raises:
        Fatal: the brokers refused a write.
    """
    deadline = time.monotonic() + REVOKE_SECONDS
    # Only an endless wait will do within a callback, see `Commits.finish`.
    while not checkpoint.finish(math.inf) and time.monotonic() < deadline:
        time.sleep(RETRY_SECONDS)


def give_up(checkpoint: Checkpoint, partitions: Iterable[Partition]) -> None:
    """Never commit these partitions again; say how much of them may be scored twice."""
    if events := checkpoint.uncommitted:
        log.warning("partitions went before their last commit: events are scored again", at_most=events)
    checkpoint.forget(partitions)
