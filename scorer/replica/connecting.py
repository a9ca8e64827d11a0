"""The Kafka clients of a replica: created at the start, again when their files are replaced, and closed at the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from scorer.errors import Misconfigured, Unavailable
from scorer.group.drifting import Drifting
from scorer.kafka import (
    AtLeastOnce,
    Carry,
    Checkpoint,
    DeadLetterLimit,
    DeadLetters,
    Delivery,
    Ending,
    ExactlyOnce,
    Limits,
    Observers,
    Sink,
    Source,
    Transactions,
    commit_before_leaving,
)
from scorer.kafka import Observer as KafkaObserver
from scorer.monitor import Component, Metrics, Watch
from scorer.replica.capturing import TransactionCapture
from scorer.replica.pipeline import Parts
from scorer.serving.serving import Serving
from scorer.settings import BatchSettings
from scorer.stopping import Stop

# A crash repeats the batches in flight, and written ones whose commit is not confirmed: together at most this many
# events, or three batches if those are larger. Two batches in flight are enough to hide the latency of the brokers.
REPEATED_EVENTS = 6_000
WINDOW, IN_FLIGHT_EVENTS = 4, 4_000
COMMITTED_AT_ONCE = 500  # written events that are committed at once; fewer wait a moment, and share a commit
UNCOMMITTED_BATCHES, UNCOMMITTED_LEAST = 8, 1_000  # small batches may wait for a shared commit
RECONNECT_SECONDS = 10.0  # the wait for acknowledgements and a commit before the clients are replaced
RETRY_SECONDS = 1.0  # between two attempts to create them
LEAVE_SECONDS = 1.0  # the part of the shutdown deadline reserved for leaving the group

MakeClients = Callable[[], tuple[Source, Delivery]]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Clients:
    """Creates the consumer and the producer of a replica, as often as is needed.

    serving:  has the settings.
    metrics:  count what the clients read and commit.
    watch:    receives the status of the brokers.
    stop:     the deadline of transactions; an ending requests it.
    limit:    stops a replica that makes too many dead letters.
    letters:  makes dead letters.
    drifting: counts scores for drift; None if drift is not watched.
    extra:    adds captured rows to each transaction; None if rows are not captured in transactions.
    carry:    returns the headers of predictions.
    ending:   stops the replica at the end of a span of offsets; None if it runs for ever.
    """

    serving: Serving
    metrics: Metrics
    watch: Watch
    stop: Stop
    limit: DeadLetterLimit
    letters: DeadLetters
    drifting: Drifting | None
    extra: TransactionCapture | None
    carry: Carry
    ending: Ending | None

    def make(self) -> tuple[Source, Delivery]:
        """Create the consumer and the producer.

        Raises:
            Misconfigured: a setting or a file of the clients is wrong.
            Unavailable: the brokers do not answer.
        """
        settings, brokers = self.serving.settings, partial(self.watch.status, Component.KAFKA)
        observer: KafkaObserver = self.metrics
        if self.drifting is not None:
            self.drifting.ledger.clear()  # another member of the group begins with the committed offsets
            observer = Observers([self.metrics, self.drifting])
        opened = self.ending.source_of(self.stop.request) if self.ending else Source
        source = opened(settings.kafka, settings.batch, observer, brokers, self.watch.waiting)
        try:
            if settings.kafka.delivery == "exactly-once":
                transactions = Transactions(
                    settings.kafka,
                    self.letters,
                    brokers,
                    source.commits,
                    self.limit,
                    self.stop.left,
                    self.extra,
                    self.carry,
                )
                return source, ExactlyOnce(transactions, source.membership)
            checkpoint = Checkpoint(source.commits, limits_of(settings.batch), self.metrics.in_flight)
            return source, AtLeastOnce(Sink(settings.kafka, self.letters, brokers, self.limit, self.carry), checkpoint)
        except BaseException:
            source.close(LEAVE_SECONDS)
            raise


def reconnect(parts: Parts, make: MakeClients, stop: Stop) -> Parts | None:
    """Leave the group and join it with new clients, which read new certificates; None if a stop was requested first.

    While no clients can be created, as in an outage, the replica waits.
    """
    log.info("files of the kafka clients were replaced: reconnecting")
    end = time.monotonic() + RECONNECT_SECONDS

    def left() -> float:
        return max(0.0, min(end - time.monotonic(), stop.left()))

    rest = commit_before_leaving(parts.source, parts.delivery, left, parts.watch.heartbeat)
    if rest.transaction:
        log.warning("reconnecting with a transaction that may be open: it delays consumers until it is aborted")
    if rest.events:
        log.warning("reconnecting with uncommitted events: they will be scored again", at_most=rest.events)
    parts.delivery.close()
    parts.source.close(LEAVE_SECONDS)
    while not stop.requested():
        try:
            source, delivery = make()
        except (Misconfigured, Unavailable) as error:
            parts.watch.status(Component.KAFKA, f"cannot reconnect: {error}")
            parts.watch.heartbeat()
            time.sleep(RETRY_SECONDS)
        else:
            source.subscribe(delivery, stop.left)
            return replace(parts, source=source, delivery=delivery)
    return None


def limits_of(batch: BatchSettings) -> Limits:
    """Return the limits on events in flight and uncommitted, for batches of a size."""
    each = batch.max_records
    in_flight = min(WINDOW * each, max(IN_FLIGHT_EVENTS, 2 * each))
    uncommitted = max(UNCOMMITTED_LEAST, min(UNCOMMITTED_BATCHES * each, REPEATED_EVENTS - in_flight), each)
    return Limits(WINDOW, in_flight, min(COMMITTED_AT_ONCE, each), uncommitted)


def finish(parts: Parts, stop: Stop) -> bool:
    """Wait for acknowledgements, commit, and leave the group, all before the deadline."""
    log.info("stopping", deadline_s=stop.seconds)
    reserve = min(LEAVE_SECONDS, stop.seconds / 4)
    rest = commit_before_leaving(
        parts.source, parts.delivery, lambda: max(0.0, stop.left() - reserve), parts.watch.heartbeat
    )
    left = leave(parts, stop)
    if rest.transaction:
        log.warning("stopped with a transaction that may be open: it delays consumers until the brokers abort it")
    if rest.events:
        log.warning("stopped with uncommitted events: they will be scored again", at_most=rest.events)
    if not rest.transaction and not rest.events:
        log.info("stopped: everything written is committed")
    return left


def leave(parts: Parts, stop: Stop) -> bool:
    """Close both clients; return whether the replica left the group before the deadline."""
    parts.delivery.close()
    return parts.source.close(max(LEAVE_SECONDS, stop.left()))
