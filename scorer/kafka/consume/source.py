"""The consumer: reads micro-batches from the owned partitions, and handles rebalances."""

import json
import math
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

import structlog
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from scorer.batch import Records
from scorer.errors import Fatal
from scorer.kafka.brokers.denials import Denials
from scorer.kafka.client import LastError, consumer_properties, within
from scorer.kafka.connect import connect
from scorer.kafka.consume.assignment import Assignment
from scorer.kafka.consume.broker_status import BrokerStatus
from scorer.kafka.consume.ends import Ends, is_end
from scorer.kafka.consume.gaps import Gaps
from scorer.kafka.consume.intake import Intake
from scorer.kafka.consume.lag import Lag
from scorer.kafka.consume.open_transactions import OpenTransactions
from scorer.kafka.consume.reading import Reading
from scorer.kafka.consume.records import columns
from scorer.kafka.consume.starts import Starts
from scorer.kafka.consume.unowned import Unowned
from scorer.kafka.delivery.commits import Commits, places
from scorer.kafka.delivery.delivery import Delivery
from scorer.kafka.observer import Observer
from scorer.kafka.offsets import Offsets, Partition, named
from scorer.kafka.renewal import Login
from scorer.settings import BatchSettings, KafkaSettings

DRAIN_SECONDS = 10.0  # the wait for acknowledgements before partitions are revoked; well under a session timeout
ANSWER_SECONDS = 0.001  # between two looks for the answer to a commit: each takes a record, and costs some 15 us
DELETED = (
    "an input topic was deleted: a consumer that is already running never sees the topic come back;"
    " create it with `scorer topics --create`, then start again"
)
log = structlog.get_logger()


class Source:
    """A member of the consumer group.

    The client's callbacks run inside `poll` and `keep_alive`, where an exception would lose the records to be returned.
    So the callbacks raise nothing; the next call raises their failure.

    Args:
        kafka: topics, group and properties.
        batch: limits of one batch.
        observer: receives rebalances, commits and lag.
        condition: called with the reason why the brokers are unavailable, or the empty text when they are available.
        waiting: called with a message about events behind an open transaction, or the empty text if there are none.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        batch: BatchSettings,
        observer: Observer,
        condition: Callable[[str], None],
        waiting: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._topics, denials = tuple(kafka.input_topics), Denials(kafka)
        self._max_bytes, self._intake = batch.max_bytes, Intake(batch)
        self._observer, self._last_error = observer, LastError(condition, kafka)
        self._status = BrokerStatus(condition, denials.text)
        self._transactional = kafka.delivery == "exactly-once"
        self._delivery: Delivery | None = None
        self._left: Callable[[], float] = lambda: math.inf
        self.assignment = Assignment()
        self._buffered: list[Message] = []  # delivered by the client, and not returned in a batch yet
        self._filled = False  # whether the last batch was full
        self._failure: Exception | None = None  # of a callback, to be raised by the next call
        called = {"on_commit": self._on_commit, "error_cb": self._on_error, "stats_cb": self._on_statistics}
        self._consumer = connect(Consumer, consumer_properties(kafka, batch) | called)
        self._login, self.commits = Login(kafka), Commits(self._consumer, observer, denials.text)
        self._gaps = Gaps(self.commits, observer.deleted)
        self._lag = Lag(self._consumer, observer, self._gaps.position)
        latest = kafka.start_from == "latest"
        self.starts = Starts(self._consumer, self.commits, lambda: self.assignment.owned, latest=latest)
        self._reading = Reading(self._consumer, self.commits, self.starts, self._gaps)
        self._ends, self._unowned = Ends(self._gaps), Unowned(kafka)
        self._transactions = OpenTransactions(kafka.properties.get("isolation.level"), waiting)

    def subscribe(self, delivery: Delivery, left: Callable[[], float] = lambda: math.inf) -> None:
        """Join the group.

        Args:
            delivery: finishes and commits published batches when partitions are revoked.
            left: returns the seconds until this replica must have stopped.
        """
        self._delivery, self._left = delivery, left
        self._join()

    def poll(self) -> Records | None:
        """Return the next batch, or None if no record arrived within the batch's waiting time.

        Raises:
            Fatal: the group rejected this replica, or an input topic was deleted.
        """
        if self._unowned.found():
            self._consumer.unsubscribe()
            self._join()
        self._reading.resume()
        # All batches returned before are now published or abandoned, so delivery knows about them.
        if self._delivery is not None and (ends := self._ends.passed(self._buffered)):
            self._delivery.advance(ends)
        settled = bool(self.assignment.owned) and self._reading.complete
        self._intake.gather(self._take, lambda: len(self._buffered), busy=self._waits(), settled=settled)
        self._lag.report(self.assignment.owned)
        self._filled = self._intake.full(len(self._buffered))
        records = self._batch()
        if records is not None:
            self._intake.batch_started()
        return records

    @property
    def backlog(self) -> bool:
        """Whether the last batch was full, so that another one may be there already."""
        return self._filled and self._reading.complete and not self._unowned.waiting

    def poll_ahead(self, held: Records) -> Records | None:
        """Return the next batch while another one is in hand, if both are full; it never waits for records.

        A rebalance may take partitions of the batch in hand meanwhile: `current` says what is left of it.

        Args:
            held: the batch in hand, which is not published yet.

        Raises:
            Fatal: as `poll`.
        """
        if not self.backlog:
            return None
        # An end of a partition waits for the records before it, and those in hand are not written.
        if self._delivery is not None and (ends := self._ends.passed(self._buffered, held)):
            self._delivery.advance(ends)
        self._filled = self._intake.gather_ahead(self._take, lambda: len(self._buffered))
        self._lag.report(self.assignment.owned)
        return self._batch() if self._filled else None

    def current(self, records: Records) -> Records | None:
        """Return the records that are still ours, under the current membership; None if there are none."""
        kept: Records | None = records
        if records.generation != self.assignment.generation:
            kept = self.assignment.ours(records)
        membership = self.membership()
        return kept and replace(kept, membership=membership) if membership is not None else kept

    def keep_alive(self, records: Records | None, seconds: float) -> Records | None:
        """Stay in the group for some seconds without reading on; return the given records that are still ours."""
        self._reading.pause(self._positions())
        self._take(1, seconds)
        return records and self.current(records)

    def serve(self, records: Records, seconds: float) -> Records | None:
        """Wait at most some seconds for the answer to a commit; return the given records that are still ours.

        Until a batch is buffered this reads on: after a pause, records are fetched again, which may take half a second.
        In a backlog a record is always there, so it waits a little before the caller looks for the answer.
        """
        if self._intake.begin(len(self._buffered)):
            return self.keep_alive(records, seconds)
        if self._take(1, seconds):
            time.sleep(min(seconds, ANSWER_SECONDS))
        return self.current(records)

    def close(self, seconds: float) -> bool:
        """Leave the group; return whether this ended within the time."""
        self._delivery = None
        return within(seconds, self._consumer.close)

    def _batch(self) -> Records | None:
        """Return the buffered records as a batch, as many as are small enough."""
        messages, self._buffered = self._buffered, []
        if not messages:
            return None
        first = messages[: self._intake.rows]
        records = columns(first, self._topics, self._max_bytes, self.assignment.generation, self.membership())
        self._buffered = messages[len(records) :]
        self._gaps.check(records)
        return records

    def _join(self) -> None:
        self._consumer.subscribe(
            list(self._topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _take(self, records: int, seconds: float) -> int:
        """Buffer at most `records` messages that arrive within some seconds; return how many came, including ends."""
        generation = self.assignment.generation
        self._login.renew(self._consumer)  # never in a callback: the client aborts the process at the next one
        messages = self._consumer.consume(records, seconds)  # a rebalance here may drop buffered messages
        came = len(messages)
        if not self._reading.complete or self.assignment.generation != generation:
            self._reading.pause_assigned()
            messages = [message for message in messages if self._is_read(message)]
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        # Not compared by `==`: comparing a KafkaError with None leaves an exception behind for the next call.
        errors = [*map(Message.error, messages)]
        if any(errors):
            messages, failed = self._ends.take(messages, errors)
            self._handle_errors(failed)
        self._status.arrived(messages)
        self._intake.weigh(messages)
        self._buffered += messages
        return came

    def _is_read(self, message: Message) -> bool:
        """Whether a message belongs to an owned partition that is not paused, or is an error other than an end."""
        if message.error() is not None and not is_end(message):
            return True
        partition = message.topic() or "", message.partition() or 0
        return partition in self.assignment.owned and not self._reading.is_paused(partition)

    def _positions(self) -> Offsets:
        """Return the next offset to be delivered in each partition that is not paused."""
        read = [partition for partition in self.assignment.owned if not self._reading.is_paused(partition)]
        positions = {partition: at for partition in read if (at := self._gaps.position(partition)) is not None}
        for message in self._buffered if read else ():
            positions[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
        return {partition: positions[partition] for partition in read if partition in positions}

    def _handle_errors(self, failed: list[Message]) -> None:
        for message in failed:
            error = message.error()
            assert error is not None  # noqa: S101  the caller's condition
            if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001  librdkafka's own codes are so named
                raise Fatal(f"the broker permanently rejected this consumer: {error.str()}")
            self._status.failed(message, error)

    def _waits(self) -> bool:
        """Whether delivery reports are expected."""
        return self._delivery is not None and not self._delivery.idle

    def membership(self) -> object:
        """Return the current group metadata of this member; None if there are no transactions that need it."""
        return self._consumer.consumer_group_metadata() if self._transactional else None

    def _drop(self, partitions: Collection[Partition]) -> None:
        self._buffered = [
            message for message in self._buffered if (message.topic(), message.partition()) not in partitions
        ]
        self._ends.forget(partitions)

    def _on_assign(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._change("assigned", partitions)
        self.assignment.assign(places(partitions))
        self._reading.assign(places(partitions))
        self._unowned.watch()

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            if self._delivery is not None:
                self._delivery.finish(min(DRAIN_SECONDS, self._left()))
        except Exception as error:  # noqa: BLE001  see the class: raised by the next call
            self._failure = error
        self._remove("revoked", partitions)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._remove("lost", partitions)

    def _remove(self, kind: Literal["revoked", "lost"], partitions: list[TopicPartition]) -> None:
        self._change(kind, partitions)
        (self.assignment.lose if kind == "lost" else self.assignment.revoke)(places(partitions))
        self._reading.forget(places(partitions))
        self._gaps.forget(places(partitions))
        for partition in places(partitions):
            self._observer.forget(*partition)
        if self._delivery is not None:
            self._delivery.forget(places(partitions))

    def _change(self, kind: Literal["assigned", "revoked", "lost"], partitions: list[TopicPartition]) -> None:
        changed = set(places(partitions))
        self._drop(changed)
        self._observer.rebalance(kind)
        log.info("partition assignment changed", kind=kind, partitions=named(changed))

    def _on_statistics(self, text: str) -> None:
        statistics = json.loads(text)
        self._status.statistics(statistics)
        self._transactions.update(statistics, self.assignment.owned)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._UNKNOWN_PARTITION:  # noqa: SLF001  librdkafka's own codes are so named
            self._failure = Fatal(DELETED)
        self._last_error(error)

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        confirmed = self.commits.result(error, partitions)
        errors = [error, *(partition.error for partition in partitions or ())]
        if self._delivery is not None:
            self._delivery.committed(confirmed=confirmed)
        if any(each is not None and each.code() == KafkaError.UNKNOWN_TOPIC_OR_PART for each in errors):
            self._failure = Fatal(DELETED)
