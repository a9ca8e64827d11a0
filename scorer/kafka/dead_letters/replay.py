"""Replaying dead letters: their events go back to the input topics, each once.

What was replayed is remembered in a compacted topic beside the dead-letter topic, by records of the same transactions
as the events. Whatever interrupts a replay, both are there or neither is, for everyone who reads committed records.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from confluent_kafka import KafkaError, KafkaException, Producer

from scorer.errors import Fatal, ScorerError
from scorer.kafka.brokers.admin import NO_ANSWER, Admin
from scorer.kafka.brokers.topics import Topic
from scorer.kafka.client import LastError, transaction_properties
from scorer.kafka.connect import connect, no_answer
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.dead_letters.refused import Refusals, Report, Reports, concerns_event
from scorer.kafka.dead_letters.replayed import memory_of, read_replayed
from scorer.kafka.writes import PREFIX, Write
from scorer.settings import KafkaSettings

BATCH_LETTERS = 500  # of one transaction
BATCH_BYTES = 8_000_000
PATIENCE_SECONDS = 30.0  # for brokers that do not answer
ABORT_SECONDS = 5.0
TRIES = 3  # of a transaction
TURN_SECONDS = 0.1
ANY_PARTITION = -1
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001  librdkafka's own codes are so named


class Replay:
    """Writes events back to their input topics, in transactions of many.

    Args:
        kafka: where the brokers are, and how to log in.
        admin: makes the topic of what was replayed, where it is not there yet.
        letters: the dead-letter topic.
        inputs: the input topics, by name.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: they refuse.
    """

    def __init__(self, kafka: KafkaSettings, admin: Admin, letters: Topic, inputs: Mapping[str, Topic]) -> None:
        self._kafka = kafka
        compressed = not {"compression.type", "compression.codec"}.isdisjoint(kafka.properties)
        self.refused = Refusals(inputs, compressed=compressed)
        self._reason = LastError()
        self._added: list[Letter] = []
        self._bytes = 0
        self.done = 0
        if not admin.topics([memory_of(kafka)]):
            admin.create([Topic(memory_of(kafka), 1, letters.replicas, {"cleanup.policy": "compact"})])
        # One event a request and one request at a time: what is refused is then that event alone, not its neighbours,
        # and no write is on its way that would hold up the end of the transaction.
        chosen = {"log_level": 0, "batch.num.messages": 1, "max.in.flight": 1, "error_cb": self._reason}
        # One id for all who replay these letters: who comes last settles what others left open, and they write no more.
        name = {"transactional.id": f"{letters.name}.replay"}
        self._producer = connect(Producer, chosen | transaction_properties(kafka) | name)
        with self._worded():
            self._producer.init_transactions(PATIENCE_SECONDS)
        self.replayed = read_replayed(kafka, admin, letters)

    @property
    def waiting(self) -> int:
        """How many events wait for the next commit."""
        return len(self._added)

    def add(self, letter: Letter) -> None:
        """Replay a letter, at the latest with the next `commit`.

        Raises:
            Unavailable, Fatal: as `commit`.
        """
        self._added.append(letter)
        self._bytes += len(letter.record.value or b"")
        if len(self._added) >= BATCH_LETTERS or self._bytes >= BATCH_BYTES:
            self.commit()

    def commit(self) -> None:
        """Replay what was added, but for the events that their topic refuses: those are in `refused`.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: a topic refuses any event, or another replay has begun. What was not done is to be replayed again.
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
            # The transaction failed as a whole. In the next one are only events before the first that was refused, so
            # that no event is tried more than twice.
            first = min(refused)
            parts += [[letter for at, letter in enumerate(part) if at > first and at not in refused], part[:first]]

    def _without_known_refusals(self, letters: Iterable[Letter]) -> list[Letter]:
        """Return the letters whose events may be taken; the others are refused without a try."""
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
        """Replay letters in one transaction: all, or where some are returned as refused, none."""
        for _ in range(TRIES):
            reports = Reports()
            with self._worded(), self._transaction():
                # Where the event was, so that it stays with the others of its key, whoever chose the partition.
                writes = ((_event(letter), letter.partition) for letter in letters)
                if self._write(writes, reports):
                    self._remember(letters)
                    self._producer.commit_transaction(PATIENCE_SECONDS)
                    return {}
                self._producer.abort_transaction(PATIENCE_SECONDS)
            for at, error in reports.refused.items():
                if not concerns_event(error):
                    letter = letters[at]
                    raise self._refusal(f"topic {letter.topic} refused the event of dead letter {letter.place}", error)
            if reports.refused:
                return reports.refused
            # After a refusal the client fails one more transaction, for its sequence numbers, and sends nothing of it.
        raise Fatal(f"cannot replay: {TRIES} transactions failed; replay again: {self.done:,} are done and stay so")

    def _remember(self, letters: Iterable[Letter]) -> None:
        """Write that letters are replayed, within the transaction of their events."""
        reports, memory = Reports(), memory_of(self._kafka)
        for letter in letters:
            self.replayed.add(letter)
        news = ((Write(topic=memory, value=value, key=key), ANY_PARTITION) for key, value in self.replayed.news())
        if not self._write(news, reports):
            error = next(iter(reports.refused.values()), KafkaError(KafkaError._STATE))  # noqa: SLF001  as above
            raise self._refusal(f"topic {memory} refused to remember what was replayed", error)

    def _write(self, writes: Iterable[tuple[Write, int]], reports: Reports) -> bool:
        """Write to partitions, wait until the report of each write has come, and return whether all is well."""
        whole = all(self._handed_over(*write, reports.of(at), reports) for at, write in enumerate(writes))
        while not reports.settled:
            self._producer.poll(TURN_SECONDS)
        return whole and reports.good

    def _handed_over(self, write: Write, partition: int, report: Report, reports: Reports) -> bool:
        """Hand a write over to the client; return False where the transaction has failed meanwhile."""
        while True:
            try:
                self._producer.produce(**write, partition=partition, on_delivery=report)
            except BufferError:
                self._producer.poll(TURN_SECONDS)
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
        return Fatal(f"{what}: {error.str()}; fix the topic and replay again: {self.done:,} are done and stay so")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Begin a transaction, and abort it where an error leaves the block."""
        self._producer.begin_transaction()
        try:
            yield
        except BaseException:
            with suppress(KafkaException):  # then the brokers abort it when its time is over
                self._producer.abort_transaction(ABORT_SECONDS)
            raise

    @contextmanager
    def _worded(self) -> Iterator[None]:
        """Say what an error of the client means."""
        try:
            yield
        except KafkaException as failed:
            raise self._failure(failed.args[0]) from failed
        except SystemError as failed:  # what Python makes of a client's error in whose place a callback was called
            if not isinstance(failed.__cause__, KafkaException):
                raise
            raise self._failure(failed.__cause__.args[0]) from failed

    def _failure(self, error: KafkaError) -> ScorerError:
        if error.code() in NO_ANSWER or error.code() == KafkaError._MSG_TIMED_OUT:  # noqa: SLF001  as above
            return no_answer(self._kafka.bootstrap_servers, self._reason.text)
        if error.code() in FENCED:
            return Fatal(
                "another replay of these dead letters has begun, or this one was stalled for too long; its open "
                "transaction was undone, and the next replay does it"
            )
        return Fatal(f"cannot replay: {error.str()}")


def _event(letter: Letter) -> Write:
    """Return the event as it was, and that it is a replay."""
    record = letter.record
    replays = (PREFIX + "replays", b"%d" % (letter.replays + 1))
    write = Write(topic=letter.topic, value=record.value, key=record.key, headers=[*letter.headers, replays])
    if record.timestamp >= 0:
        write["timestamp"] = record.timestamp
    return write
