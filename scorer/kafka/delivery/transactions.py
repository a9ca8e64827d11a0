"""Transactions of the producer: a batch's writes and offsets become visible together, or not at all.

A transaction is begun and ended within `publish`, between two polls, so no rebalance ever meets one that is open. The
group's token of our membership was taken when the batch was read: a broker refuses the offsets of one who has been
replaced since, and with them the whole batch.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import NoReturn

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from scorer.batch import Payloads, Records, Rejected
from scorer.errors import Aborted, Fatal
from scorer.kafka.client import transaction_properties, within
from scorer.kafka.connect import connect
from scorer.kafka.dead_letters.write import DeadLetterLimit, DeadLetters
from scorer.kafka.delivery.bounded import CALL_SECONDS, bounded
from scorer.kafka.delivery.checkpoint import InFlight
from scorer.kafka.delivery.commits import NOT_OWNER, Commits, topic_partitions
from scorer.kafka.delivery.culprits import APART, Culprits, Reports
from scorer.kafka.delivery.published import Published
from scorer.kafka.delivery.sink import Sink, pass_on
from scorer.kafka.offsets import Partition
from scorer.settings import KafkaSettings

START_SECONDS = 15.0  # for what a predecessor left open to be ended
FENCED_SECONDS = 5.0  # more than a heartbeat: for the group to tell a replica that another has taken its place
NOT_ENDED = (
    "the brokers have not ended the last one of this replica's name; if that lasts, move the leadership of its"
    " __transaction_state partition, or restart that broker, whose log says what stopped it"
)
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001  librdkafka's own codes are so named
REFUSED = frozenset({
    KafkaError.POLICY_VIOLATION, KafkaError.TOPIC_EXCEPTION, KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaError.INVALID_TRANSACTION_TIMEOUT,
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  as above
})  # fmt: skip


class State(Enum):
    """What is known of the last transaction, and whether the producer may begin another one."""

    READY = "it has ended, and the next one may begin"
    DISCARDED = "it has ended, and the producer must be replaced"
    LOST = "it may be open, or may have succeeded; the producer must be replaced"
    FENCED = "the brokers have ended it, and it may have succeeded; the producer must be replaced"
    RECOVERED = "it has ended, and committed offsets tell whether it succeeded; the next one may begin"


USABLE = frozenset({State.READY, State.RECOVERED})


class Transactions(Sink):
    """Writes each batch and its offsets in one transaction.

    Args:
        kafka: topics and properties.
        dead_letters: makes the dead letters.
        condition: told why the brokers cannot be reached.
        commits: of the consumer, told of results, and asked what a lost transaction came to.
        limit: told of predictions that become dead letters because their topic refuses them.
        left: returns how many seconds are left, where this replica stops.

    Raises:
        Aborted: the brokers do not take transactions now.
        Fatal: they never will.
    """

    def __init__(  # noqa: PLR0913, PLR0917  what a transaction is made of, and who is told
        self,
        kafka: KafkaSettings,
        dead_letters: DeadLetters,
        condition: Callable[[str], None],
        commits: Commits,
        limit: DeadLetterLimit | None = None,
        left: Callable[[], float] = lambda: math.inf,
    ) -> None:
        super().__init__(kafka, dead_letters, condition, limit)
        compressed = kafka.properties.keys() & {"compression.type", "compression.codec"}
        self._culprits = Culprits(self._refusals, self._limit, compressed=bool(compressed))
        self._commits, self._left = commits, left
        self._named = kafka.instance_id is not None
        self._state = State.DISCARDED
        self._fenced_at = -FENCED_SECONDS
        # Now, not with the first batch: what a predecessor of this name left open holds up readers, us included.
        self._begin()

    @property
    def open(self) -> bool:
        """Whether the last transaction may be open."""
        return self._state is State.LOST

    def publish(self, records: Records, payloads: Payloads, rejected: Sequence[Rejected], batch: InFlight) -> None:
        """Write a batch and commit its offsets, atomically.

        Raises:
            Aborted: nothing of it is visible, or that is not known yet; to be tried again with what is still ours.
            Fatal: the brokers refuse it for good. Nothing of it is visible.
        """
        self._require_usable()
        published = self._published(records, payloads, rejected, batch)
        self._culprits.recall(published)
        if self._state is State.RECOVERED and self._is_committed(batch.offsets):
            batch.settled()
            return
        while not self._attempt(published):
            if self._culprits.properties:
                self._recover()
        if self._culprits.properties:  # such a producer is for one batch
            self._state = State.DISCARDED
        self._culprits.forget()
        self._commits.observer.committed("ok")
        batch.settled()

    def commit(self, offsets: Mapping[Partition, int], membership: object) -> None:
        """Commit offsets for which nothing is to be written, in a transaction of their own.

        Raises:
            Aborted: they are not committed, or that is not known yet.
            Fatal: the brokers refuse it for good.
        """
        self._require_usable()
        try:
            self._producer.begin_transaction()
            self._bounded(partial(_commit, self._producer, topic_partitions(offsets), membership))
        except KafkaException as failed:
            self._give_up(failed.args[0])
        self._commits.observer.committed("ok")

    def serve(self, seconds: float = 0.0) -> None:
        """Serve the client's callbacks; settle what is open, which holds up even our own reading of offsets."""
        try:
            super().serve(seconds)
            self._require_usable()
        except KafkaException as failed:  # fenced meanwhile
            self._lose(failed.args[0])
        except Aborted:  # said when a batch meets it
            return

    def settle(self, seconds: float) -> bool:
        """End a transaction that may be open, as `serve` does, within some seconds; return whether none is."""
        if self.open and seconds > 0:
            try:
                self._recover(seconds=min(seconds, CALL_SECONDS))
            except Aborted:
                return False
        return not self.open

    def close(self) -> None:
        """Leave a transaction whose end is not known to the brokers, which abort it."""
        within(1.0, partial(_discard, self._producer))

    @staticmethod
    def _chosen(kafka: KafkaSettings) -> dict[str, object]:
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
        """Try once; return whether it is committed, and if not, have it tried again with what was refused amended."""
        reports = self._culprits.reports()
        try:
            self._producer.begin_transaction()
            self._write(published, *reports.callbacks(published))
            reports.wait(self._producer, CALL_SECONDS)
            commit = partial(_commit, self._producer, topic_partitions(published.batch.offsets))
            self._bounded(partial(commit, published.records.membership))
        except KafkaException as failed:
            refused = reports.refused(published)
            if not self._culprits.concerns(failed.args[0], refused):
                self._give_up(failed.args[0])
            self._commits.observer.committed("failed")
            self._recover()  # ends the transaction: to abort it might take as long as it may last
            self._culprits.find(published, refused, self._probe)
            return False
        return True

    def _probe(self, published: Published, rows: Sequence[int]) -> tuple[int, KafkaError] | None:
        """Write rows one by one in a transaction that is never committed; return the first that is refused."""
        self._recover(APART)
        self._state, report = State.DISCARDED, Reports(wanted=True)
        try:
            self._producer.begin_transaction()
            for row in rows:
                try:
                    self._write_later(published.write(row), report.of_row(row))
                except KafkaException as refused:  # by the client itself
                    pass_on(report.of_row(row), refused)
                if not report.wait(self._producer, CALL_SECONDS, expected=1):
                    raise Aborted("the brokers do not say which write they refused, and it is tried again")
                report = Reports(wanted=True)
        except KafkaException as failed:
            if not report.refused(published):
                raise Aborted(f"a transaction failed and is tried again: {failed.args[0].str()}") from failed
        self._recover()
        return next(iter(report.refused(published)), None)

    def _give_up(self, error: KafkaError) -> NoReturn:
        """End a transaction that failed: aborted, or unusable until it is known what the brokers made of it."""
        if error.txn_requires_abort():
            try:
                self._bounded(partial(self._producer.abort_transaction, CALL_SECONDS))
            except KafkaException as failed:
                self._lose(failed.args[0])
        else:
            self._lose(error)
        self._commits.observer.committed("not_owner" if error.code() in NOT_OWNER | FENCED else "failed")
        if error.code() in REFUSED:
            raise Fatal(
                f"the brokers refused a write: {error.str()}. Its transaction was aborted, so those events are scored"
                " again at the next start; first mend the topic (`scorer check` says what it can see)"
            )
        raise Aborted(f"a transaction failed and is tried again: {error.str()}")

    def _lose(self, error: KafkaError) -> None:
        self._state = State.FENCED if error.code() in FENCED else State.LOST
        if error.code() in FENCED:
            self._fenced_at = time.monotonic()

    def _require_usable(self) -> None:
        if self._state not in USABLE:
            self._recover()

    def _recover(self, properties: Mapping[str, object] | None = None, seconds: float = CALL_SECONDS) -> None:
        """Settle what is open under our id, by a new producer of that id; the old one may not be used again."""
        self._state = {State.READY: State.DISCARDED, State.RECOVERED: State.LOST}.get(self._state, self._state)
        if self._named and time.monotonic() - self._fenced_at < FENCED_SECONDS:
            # If another replica has our name, the group tells the consumer so by then; if it was but a long stall, not.
            raise Aborted("fenced: another replica has the same kafka.instance_id, or this one stood still for long")
        within(1.0, partial(_discard, self._producer))
        self._producer = connect(Producer, {**self._properties, **(properties or self._culprits.properties)})
        try:
            self._bounded(partial(self._producer.init_transactions, seconds), seconds)
        except KafkaException as failed:
            error: KafkaError = failed.args[0]
            if error.code() in REFUSED:
                raise Fatal(f"the brokers refuse transactions: {error.str()}") from failed
            hint = f" ({NOT_ENDED})" if error.code() == KafkaError.CONCURRENT_TRANSACTIONS else ""
            raise Aborted(f"no transaction can be begun: {error.str()}{hint}") from failed
        self._state = State.READY if self._state is State.DISCARDED else State.RECOVERED

    def _is_committed(self, offsets: Mapping[Partition, int]) -> bool:
        try:
            committed = self._commits.read(offsets, CALL_SECONDS)
        except KafkaException as failed:
            raise Aborted(f"committed offsets cannot be read: {failed.args[0].str()}") from failed
        self._state = State.READY
        return all(committed[partition] >= offset for partition, offset in offsets.items())

    def _bounded(self, call: Callable[[], object], seconds: float = CALL_SECONDS) -> None:
        bounded(call, seconds, self._left)


def _commit(producer: Producer, offsets: list[TopicPartition], membership: object) -> None:
    producer.send_offsets_to_transaction(offsets, membership, CALL_SECONDS)
    producer.commit_transaction(CALL_SECONDS)


def _discard(producer: Producer) -> None:
    try:
        producer.purge()
        producer.flush(0)
    except KafkaException:  # what it still had to say is why it is discarded
        return
