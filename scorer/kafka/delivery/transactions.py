"""The transactional producer: a batch's writes and offsets become visible together, or not at all.

A transaction begins and ends within `publish`, between two polls, so no transaction is open during a rebalance. The
group metadata was taken when the batch was read: the brokers refuse the offsets of a member that has been replaced
since, and with them the whole batch.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import NoReturn, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from scorer.batch import Payloads, Records, Rejected
from scorer.errors import Aborted, Fatal
from scorer.kafka.carried import Carry, nothing_carried
from scorer.kafka.client import transaction_properties, within
from scorer.kafka.connect import connect
from scorer.kafka.dead_letters.write import DeadLetterLimit, DeadLetters
from scorer.kafka.delivery.bounded import CALL_SECONDS, bounded
from scorer.kafka.delivery.checkpoint import InFlight
from scorer.kafka.delivery.commits import NOT_OWNER, Commits, topic_partitions
from scorer.kafka.delivery.fault_finder import ONE_BY_ONE, FaultFinder, Refused, TransactionReports
from scorer.kafka.delivery.published import Published
from scorer.kafka.delivery.refusals import CHECK, RECORD_ERRORS
from scorer.kafka.delivery.sink import Sink, pass_on
from scorer.kafka.offsets import Partition
from scorer.kafka.writes import Write
from scorer.settings import KafkaSettings

START_SECONDS = 15.0  # the wait for a predecessor's open transaction to end
FENCED_SECONDS = 5.0  # more than a heartbeat interval: by then the group has told a replica that it was replaced
NOT_ENDED = (
    "a previous transaction with this transactional.id is still open; if this persists, move the leadership of its"
    " __transaction_state partition or restart that broker (its log says why)"
)
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001  librdkafka's own codes are so named
REFUSED = frozenset({
    KafkaError.POLICY_VIOLATION, KafkaError.TOPIC_EXCEPTION, KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaError.INVALID_TRANSACTION_TIMEOUT,
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  as above
})  # fmt: skip


class State(Enum):
    """The state of the last transaction, and whether the producer may begin another one."""

    READY = "it has ended, and the next one may begin"
    DISCARDED = "it has ended, and the producer must be replaced"
    LOST = "it may be open, or may have succeeded; the producer must be replaced"
    FENCED = "the brokers have ended it, and it may have succeeded; the producer must be replaced"
    RECOVERED = "it has ended, and committed offsets show whether it succeeded; the next one may begin"


USABLE = frozenset({State.READY, State.RECOVERED})


class Extra(Protocol):
    """Adds writes to the transactions of batches. If their topic refuses one, the batch is written without them."""

    def writes(self, records: Records, unwritable: Sequence[Rejected]) -> Sequence[Write]:
        """Return the writes to add to the transaction of a batch; called again for each attempt.

        Args:
            records: the batch.
            unwritable: rows whose prediction was refused.
        """

    def refused(self, reason: str) -> None:
        """A write was refused, and those of this batch are left out."""


class Transactions(Sink):
    """Writes each batch and its offsets in one transaction.

    Args:
        kafka: topics and properties.
        dead_letters: makes the dead letters.
        condition: called with the reason why the brokers are unavailable.
        commits: the consumer's commits, which show whether a transaction of unknown outcome succeeded.
        limit: counts predictions that become dead letters because their topic refuses them.
        left: returns the seconds until this replica must have stopped.
        extra: adds writes to the transaction of each batch.
        carry: returns the headers of the predictions of a batch.

    Raises:
        Aborted: the brokers do not accept transactions now.
        Fatal: the brokers permanently refuse transactions.
    """

    def __init__(  # noqa: PLR0913, PLR0917  all parts of a transaction, and its observers
        self,
        kafka: KafkaSettings,
        dead_letters: DeadLetters,
        condition: Callable[[str], None],
        commits: Commits,
        limit: DeadLetterLimit | None = None,
        left: Callable[[], float] = lambda: math.inf,
        extra: Extra | None = None,
        carry: Carry = nothing_carried,
    ) -> None:
        super().__init__(kafka, dead_letters, condition, limit, carry)
        compressed = kafka.properties.keys() & {"compression.type", "compression.codec"}
        self._faults = FaultFinder(self._refusals, self._limit, compressed=bool(compressed))
        self._commits, self._left, self._extra = commits, left, extra
        self._extra_refused = ""  # why a topic refuses an extra write of the current batch
        self._named = kafka.instance_id is not None
        self._state = State.DISCARDED
        self._fenced_at = -FENCED_SECONDS
        # Now, not with the first batch: a predecessor's open transaction delays all readers, including us.
        self._begin()

    @property
    def open(self) -> bool:
        """Whether the last transaction may be open."""
        return self._state is State.LOST

    def publish(self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], batch: InFlight) -> None:
        """Write a batch and commit its offsets, atomically.

        Raises:
            Aborted: nothing of the batch is visible, or its fate is unknown; retry with the records that are still
                ours.
            Fatal: the brokers refuse the batch permanently. Nothing of it is visible.
        """
        self._require_usable()
        published = self._published(records, payloads, rejected, batch)
        self._extra_refused = ""
        self._faults.recall(published)
        if self._state is State.RECOVERED and self._is_committed(batch.offsets):
            self._commits.observer.confirmed(batch.offsets)
            batch.settled()
            return
        while not self._attempt(published):
            if self._faults.properties:
                self._recover()
        if self._faults.properties:  # a producer with extra properties is used for one batch only
            self._state = State.DISCARDED
        self._faults.forget()
        if self._extra is not None and self._extra_refused:
            self._extra.refused(self._extra_refused)
        self._commits.succeeded(batch.offsets)
        batch.settled()

    def commit(self, offsets: Mapping[Partition, int], membership: object) -> None:
        """Commit offsets in a transaction without writes.

        Raises:
            Aborted: they are not committed, or their fate is unknown.
            Fatal: the brokers permanently refuse the commit.
        """
        self._require_usable()
        try:
            self._producer.begin_transaction()
            self._bounded(partial(_commit, self._producer, topic_partitions(offsets), membership))
        except KafkaException as failed:
            self._abort(failed.args[0])
        self._commits.succeeded(offsets)

    def serve(self, seconds: float = 0.0) -> None:
        """Serve the client's callbacks, and settle an open transaction, which delays even our own offset requests."""
        try:
            super().serve(seconds)
            self._require_usable()
        except KafkaException as failed:  # the producer was fenced meanwhile
            self._mark_unusable(failed.args[0])
        except Aborted:  # the next batch raises it again
            return

    def settle(self, seconds: float) -> bool:
        """End a transaction that may be open, within some seconds; return whether none is open."""
        if self.open and seconds > 0:
            try:
                self._recover(seconds=min(seconds, CALL_SECONDS))
            except Aborted:
                return False
        return not self.open

    def close(self) -> None:
        """Close without ending a transaction of unknown state; the brokers abort it."""
        within(1.0, partial(discard, self._producer))

    @staticmethod
    def _client_properties(kafka: KafkaSettings) -> dict[str, object]:
        return transaction_properties(kafka)

    def _begin(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._state not in USABLE:
            try:
                self._recover()
            except Aborted:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _attempt(self, published: Published) -> bool:
        """Try once; return whether the batch is committed. If not, retry: the refused writes have been replaced."""
        reports = self._faults.reports()
        try:
            self._producer.begin_transaction()
            self._write(published, *reports.callbacks(published))
            self._write_extra(published)
            reports.wait(self._producer, CALL_SECONDS)
            offsets, membership = topic_partitions(published.batch.offsets), published.records.membership
            self._bounded(partial(_commit, self._producer, offsets, membership, reports.require_no_failure))
        except KafkaException as failed:
            refused = reports.refused()
            if self._without_extra(refused):
                return False
            if not self._faults.concerns(failed.args[0], refused):
                self._abort(failed.args[0])
            self._commits.observer.committed("failed")
            published.carried = None
            self._recover()  # this ends the transaction; aborting could take as long as the transaction's timeout
            self._faults.find(published, refused, self._probe)
            return False
        return True

    def _write_extra(self, published: Published) -> None:
        if self._extra is not None and not self._extra_refused:
            for write in self._extra.writes(published.records, published.batch.unwritable):
                self._write_later(write, self._extra_report)

    def _extra_report(self, error: KafkaError | None, _: Message | None) -> None:
        if error is not None and error.code() in RECORD_ERRORS:
            self._extra_refused = error.str()

    def _without_extra(self, refused: Sequence[Refused]) -> bool:
        """Whether a transaction failed because of an extra write, without which the batch is tried again."""
        before = self._extra_refused
        if self._extra is None or refused or before:
            return False
        with suppress(KafkaException):  # of a producer that was fenced; the caller has an error already
            self._producer.poll(0)  # the report may have come
        if self._extra_refused == before:
            return False
        self._recover()
        return True

    def _probe(self, published: Published, rows: Sequence[int]) -> tuple[int, KafkaError] | None:
        """Write rows one by one in a transaction that is never committed; return the first refused row."""
        self._recover(ONE_BY_ONE)
        self._state, reports = State.DISCARDED, TransactionReports(wanted=True)
        try:
            self._producer.begin_transaction()
            for row in rows:
                reports.expected += 1
                try:
                    self._write_later(published.write(row), reports.of(row))
                except KafkaException as refused:  # the client itself refused it
                    pass_on(reports.of(row), refused)
                if not reports.wait(self._producer, CALL_SECONDS):
                    raise Aborted("the brokers have not reported which write they refused, will retry")
        except KafkaException as failed:
            if not reports.refused():
                raise Aborted(f"transaction failed, will retry: {failed.args[0].str()}") from failed
        self._recover()
        return next(iter(reports.refused()), None)

    def _abort(self, error: KafkaError) -> NoReturn:
        """Abort a failed transaction, or mark the producer as unusable until the outcome is known; then raise."""
        if error.txn_requires_abort():
            try:
                self._bounded(partial(self._producer.abort_transaction, CALL_SECONDS))
            except KafkaException as failed:
                self._mark_unusable(failed.args[0])
            else:
                self._state = State.DISCARDED  # see `discard`
        else:
            self._mark_unusable(error)
        self._commits.observer.committed("not_owner" if error.code() in NOT_OWNER | FENCED else "failed")
        if error.code() in REFUSED:
            why = self._denials.text(error)
            raise Fatal(
                f"the brokers refused a write: {why}. Its transaction was aborted, so those events"
                f" are scored again at the next start; {CHECK}"
            )
        raise Aborted(f"transaction failed, will retry: {error.str()}")

    def _mark_unusable(self, error: KafkaError) -> None:
        self._state = State.FENCED if error.code() in FENCED else State.LOST
        if error.code() in FENCED:
            self._fenced_at = time.monotonic()

    def _require_usable(self) -> None:
        if self._state not in USABLE:
            self._recover()

    def _recover(self, properties: Mapping[str, object] | None = None, seconds: float = CALL_SECONDS) -> None:
        """Settle the last transaction by starting a new producer with our id; the old one is unusable afterwards."""
        self._state = {State.READY: State.DISCARDED, State.RECOVERED: State.LOST}.get(self._state, self._state)
        if self._named and time.monotonic() - self._fenced_at < FENCED_SECONDS:
            # If another replica has our name, the group rejects our consumer meanwhile; after a mere stall it does not.
            raise Aborted("fenced: another replica has the same kafka.instance_id, or this one stalled for too long")
        within(1.0, partial(discard, self._producer))
        chosen = {**self._properties, **self._login.properties(), **(properties or self._faults.properties)}
        self._producer = connect(Producer, chosen)
        try:
            self._bounded(partial(self._producer.init_transactions, seconds), seconds)
        except KafkaException as failed:
            error: KafkaError = failed.args[0]
            if error.code() in REFUSED:
                raise Fatal(f"the brokers refuse transactions: {self._denials.text(error)}") from failed
            hint = f" ({NOT_ENDED})" if error.code() == KafkaError.CONCURRENT_TRANSACTIONS else ""
            raise Aborted(f"cannot begin a transaction: {error.str()}{hint}") from failed
        self._state = State.READY if self._state is State.DISCARDED else State.RECOVERED

    def _is_committed(self, offsets: Mapping[Partition, int]) -> bool:
        try:
            committed = self._commits.read(offsets, CALL_SECONDS)
        except KafkaException as failed:
            raise Aborted(f"cannot read the committed offsets: {failed.args[0].str()}") from failed
        self._state = State.READY
        return all(committed[partition] >= offset for partition, offset in offsets.items())

    def _bounded(self, call: Callable[[], object], seconds: float = CALL_SECONDS) -> None:
        bounded(call, seconds, self._left)


def _commit(
    producer: Producer, offsets: list[TopicPartition], membership: object, check: Callable[[], None] = lambda: None
) -> None:
    """Commit a transaction; `check` raises if a write of it failed."""
    producer.send_offsets_to_transaction(offsets, membership, CALL_SECONDS)  # raises if the transaction has failed
    check()
    producer.commit_transaction(CALL_SECONDS)


def discard(producer: Producer) -> None:
    """Drop the writes of a producer that has had a failed transaction, and must not be used again.

    librdkafka (2.16 and before) numbers the writes of its next transaction wrongly if the brokers appended a write of
    the aborted one, but their acknowledgement was lost: the number of that write is given to another. The brokers take
    it for a repetition, acknowledge it and drop it. A new producer begins a new epoch, with numbers of its own.
    """
    try:
        producer.purge()
        producer.flush(0)
    except KafkaException:  # the reason for discarding it is already known
        return
