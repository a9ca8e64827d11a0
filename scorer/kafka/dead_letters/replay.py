"""Replays dead letters: writes each of their events back to its input topic once.

A compacted topic beside the dead-letter topic records which letters were replayed. Its records are written in the same
transactions as the events. So if a replay is interrupted, readers of committed records see both or neither.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Producer

from scorer.errors import Fatal, ScorerError
from scorer.kafka.brokers.admin import NO_ANSWER, Admin
from scorer.kafka.brokers.topics import Topic
from scorer.kafka.client import LastError, transaction_properties
from scorer.kafka.connect import connect, no_answer
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.dead_letters.refused import Refusals, concerns_event
from scorer.kafka.dead_letters.replayed import read_replayed, replayed_topic
from scorer.kafka.delivery.published import Report
from scorer.kafka.delivery.reports import Reports
from scorer.kafka.delivery.transactions import FENCED, discard
from scorer.kafka.writes import PREFIX, Write
from scorer.settings import KafkaSettings

BATCH_LETTERS = 500  # the letters of one transaction
BATCH_BYTES = 8_000_000
PATIENCE_SECONDS = 30.0  # the wait for brokers that do not answer
ABORT_SECONDS = 5.0
TRIES = 3  # attempts at a transaction
POLL_SECONDS = 0.1
ANY_PARTITION = -1
OVERTAKEN = (
    "another replay of these dead letters has begun, or this one stalled for too long; its open transaction was"
    " aborted, and the next replay repeats those events"
)
UNSENT = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001  librdkafka's own codes are so named


class Replay:
    """Writes events back to their input topics, with many events in each transaction.

    Args:
        kafka: the brokers, and how to log in.
        admin: creates the topic that records the replayed letters, if it does not exist.
        letters: the dead-letter topic.
        inputs: the input topics, by name.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the brokers refuse.
    """

    def __init__(self, kafka: KafkaSettings, admin: Admin, letters: Topic, inputs: Mapping[str, Topic]) -> None:
        self._kafka = kafka
        compressed = not {"compression.type", "compression.codec"}.isdisjoint(kafka.properties)
        self.refused = Refusals(inputs, compressed=compressed)
        self._reason = LastError(kafka=kafka)
        self._added: list[Letter] = []
        self._bytes = 0
        self.done = 0
        if not admin.topics([replayed_topic(kafka)]):
            admin.create([Topic(replayed_topic(kafka), 1, letters.replicas, {"cleanup.policy": "compact"})])
        # One event for each request and one request at a time: the brokers then refuse the faulty event without its
        # neighbours, and no write is in flight that would delay the end of the transaction.
        chosen = {"log_level": 0, "batch.num.messages": 1, "max.in.flight": 1, "error_cb": self._reason}
        # All replays of these letters share one id: a new replay fences an older one and ends its open transaction.
        name = {"transactional.id": f"{letters.name}.replay"}
        self._properties = chosen | transaction_properties(kafka) | name
        self._read_replayed = partial(read_replayed, kafka, admin, letters)
        self._connect()
        self.replayed = self._read_replayed()

    @property
    def waiting(self) -> int:
        """How many events wait for the next commit."""
        return len(self._added)

    def add(self, letter: Letter) -> None:
        """Replay a letter with the next `commit` or before.

        Raises:
            Unavailable, Fatal: see `commit`.
        """
        self._added.append(letter)
        self._bytes += len(letter.record.value or b"")
        if len(self._added) >= BATCH_LETTERS or self._bytes >= BATCH_BYTES:
            self.commit()

    def commit(self) -> None:
        """Replay the letters that were added; those whose topic refuses the event are added to `refused`.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: a topic refuses all events, or another replay has begun. The remaining letters can be replayed again.
        """
        parts, self._added, self._bytes = [self._added], [], 0
        while parts:
            part = self._without_known_refusals(parts.pop())
            refused = self._try(part) if part else {}
            if not refused:
                self.done += len(part)
                continue
            for at, error in refused.items():
                self._refuse(part[at], error)
            # The whole transaction failed. The next one contains only the events before the first refused one, so that
            # no event is tried more than twice.
            first = min(refused)
            parts += [[letter for at, letter in enumerate(part) if at > first and at not in refused], part[:first]]

    def _without_known_refusals(self, letters: Iterable[Letter]) -> list[Letter]:
        """Return the letters whose events may be accepted; mark the others as refused without trying them."""
        if not self.refused:
            return list(letters)
        found = []
        for letter in letters:
            error = self.refused.known(_event(letter))
            if error is None:
                found.append(letter)
            else:
                self._refuse(letter, error)
        return found

    def _refuse(self, letter: Letter, error: KafkaError) -> None:
        self.refused.add(letter, _event(letter), error)
        self.replayed.refuse(letter)

    def _try(self, letters: Sequence[Letter]) -> dict[int, KafkaError]:
        """Replay letters in one transaction: all of them, or none if some are returned as refused."""
        for _ in range(TRIES):
            reports = Reports()
            with self._worded(), self._transaction():
                # The original partition keeps an event with the others of its key, whatever partitioner was used.
                writes = ((_event(letter), letter.partition) for letter in letters)
                if self._write(writes, reports):
                    self._remember(letters)
                    self._producer.commit_transaction(PATIENCE_SECONDS)
                    return {}
                self._producer.abort_transaction(PATIENCE_SECONDS)
            refused = _refused(reports)
            for at, error in refused.items():
                if not concerns_event(error):
                    letter = letters[at]
                    raise self._refusal(f"topic {letter.topic} refused the event of dead letter {letter.place}", error)
            self._replace_producer()
            if refused:
                return refused
        raise Fatal(f"cannot replay: {TRIES} transactions failed; {self._done_so_far()}")

    def _connect(self) -> None:
        """Create a producer, which fences every other one and ends its open transaction."""
        self._producer = connect(Producer, self._properties)
        with self._worded():
            self._producer.init_transactions(PATIENCE_SECONDS)

    def _replace_producer(self) -> None:
        """Replace the producer after a failed transaction, unless another replay has begun meanwhile.

        Raises:
            Fatal: another replay has replayed something, which we do not know and would repeat.
        """
        discard(self._producer)
        self._connect()
        if not self.replayed.is_current(self._read_replayed()):
            raise Fatal(OVERTAKEN)

    def _remember(self, letters: Iterable[Letter]) -> None:
        """Record that letters are replayed, within the transaction of their events."""
        reports, topic = Reports(), replayed_topic(self._kafka)
        for letter in letters:
            self.replayed.add(letter)
        changes = ((Write(topic=topic, value=value, key=key), ANY_PARTITION) for key, value in self.replayed.changes())
        if not self._write(changes, reports):
            error = next(iter(_refused(reports).values()), KafkaError(KafkaError._STATE))  # noqa: SLF001  as above
            raise self._refusal(f"topic {topic} refused the record of what was replayed", error)

    def _write(self, writes: Iterable[tuple[Write, int]], reports: Reports) -> bool:
        """Write to partitions, wait for all delivery reports, and return whether all writes succeeded."""
        whole = all(self._handed_over(*write, reports.of(at), reports) for at, write in enumerate(writes))
        while not reports.settled:
            self._producer.poll(POLL_SECONDS)
        return whole and not reports.failed

    def _handed_over(self, write: Write, partition: int, report: Report, reports: Reports) -> bool:
        """Pass a write to the client; return False if the transaction has failed meanwhile."""
        while True:
            try:
                self._producer.produce(**write, partition=partition, on_delivery=report)
            except BufferError:
                self._producer.poll(POLL_SECONDS)
            except KafkaException as failed:
                if failed.args[0].code() != KafkaError._STATE:  # noqa: SLF001  as above
                    raise
                return False
            else:
                reports.expected += 1
                return True

    def _refusal(self, what: str, error: KafkaError) -> ScorerError:
        if error.code() in {KafkaError._MSG_TIMED_OUT, *NO_ANSWER, *FENCED}:  # noqa: SLF001  as above
            return self._failure(error)
        return Fatal(f"{what}: {error.str()}; fix the topic and {self._done_so_far()}")

    def _done_so_far(self) -> str:
        return f"replay again: the {self.done:,} events replayed so far are not repeated"

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Begin a transaction, and abort it if an error leaves the block."""
        self._producer.begin_transaction()
        try:
            yield
        except BaseException:
            with suppress(KafkaException):  # the brokers abort it when it times out
                self._producer.abort_transaction(ABORT_SECONDS)
            raise

    @contextmanager
    def _worded(self) -> Iterator[None]:
        """Convert errors of the client to our own."""
        try:
            yield
        except KafkaException as failed:
            raise self._failure(failed.args[0]) from failed
        except SystemError as failed:  # raised by Python if a callback runs while the client is raising an error
            if not isinstance(failed.__cause__, KafkaException):
                raise
            raise self._failure(failed.__cause__.args[0]) from failed

    def _failure(self, error: KafkaError) -> ScorerError:
        if error.code() in NO_ANSWER or error.code() == KafkaError._MSG_TIMED_OUT:  # noqa: SLF001  as above
            return no_answer(self._kafka.bootstrap_servers, self._reason.text)
        if error.code() in FENCED:
            return Fatal(OVERTAKEN)
        return Fatal(f"cannot replay: {error.str()}")


def _refused(reports: Reports) -> dict[int, KafkaError]:
    """Return the errors of the refused writes, by number; writes that were not sent are left out."""
    return {write: error for write, error in reports.failed if error.code() not in UNSENT}


def _event(letter: Letter) -> Write:
    """Return the original event, with a header that counts its replays."""
    record = letter.record
    replays = (PREFIX + "replays", b"%d" % (letter.replays + 1))
    write = Write(topic=letter.topic, value=record.value, key=record.key, headers=[*letter.headers, replays])
    if record.timestamp >= 0:
        write["timestamp"] = record.timestamp
    return write
