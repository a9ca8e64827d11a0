"""Replaying dead letters: their events go back to the input topics, each once.

What was replayed is remembered in a compacted topic beside the dead-letter topic, by records of the same transactions
as the events. Whatever interrupts a replay, both are there or neither is, for everyone who reads committed records.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from scorer.errors import Fatal, ScorerError
from scorer.kafka.brokers.admin import NO_ANSWER, Admin
from scorer.kafka.brokers.topics import Topic
from scorer.kafka.client import LastError, transaction_properties
from scorer.kafka.connect import connect, no_answer
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.dead_letters.replayed import Replayed, memory_of, read_replayed
from scorer.kafka.writes import PREFIX, Write
from scorer.settings import KafkaSettings

BATCH_LETTERS = 500  # of one transaction
BATCH_BYTES = 8_000_000
PATIENCE_SECONDS = 30.0  # for brokers that do not answer
ABORT_SECONDS = 5.0
TURN_SECONDS = 0.1
ANY_PARTITION = -1
UNSENT = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})  # noqa: SLF001  librdkafka's own codes are so named
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001  as above


class _Writes:
    """The writes of one transaction: how many, how many of them are acknowledged, and what became of the others.

    Not more is done in the callbacks: they may be called while an error of the client is being raised.
    """

    def __init__(self) -> None:
        self.expected = self.acknowledged = 0
        self._failures: list[tuple[str, KafkaError]] = []

    @property
    def settled(self) -> bool:
        """Whether the report of every write has come: counted, since an empty queue proves nothing."""
        return self.acknowledged + len(self._failures) == self.expected

    @property
    def refused(self) -> tuple[str, KafkaError] | None:
        """What the brokers refused, and why, if they did; what was not sent any more for that reason is not it."""
        return next((failure for failure in self._failures if failure[1].code() not in UNSENT), None)

    def reporter(self, what: str) -> Callable[[KafkaError | None, Message], None]:
        """Return the delivery callback of one write more; `what` says what failed if it does."""
        self.expected += 1

        def report(error: KafkaError | None, _: Message) -> None:
            if error is None:
                self.acknowledged += 1
            else:
                self._failures.append((what, error))

        return report


class Due:
    """The dead letters that are to be replayed, and a count of them and of the others.

    Args:
        letters: all that were chosen.
        replayed: which of them were replayed before.
        inputs: the input topics, by name.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        letters: Iterable[Letter],
        replayed: Replayed,
        inputs: Mapping[str, Topic],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._letters, self._replayed, self._inputs, self._now = letters, replayed, inputs, clock() * 1000
        self.taken: Counter[str] = Counter()  # by reason and input topic
        self.old = 0  # of those, older than their topic keeps events: the brokers may delete them before they are read
        self.before = 0  # replayed already
        self.cut = 0  # that hold a part of their event only
        self.elsewhere: Counter[str] = Counter()  # by a topic that is none of our inputs: what would score them?
        self.nowhere: Counter[str] = Counter()  # by input topic: of a partition that it does not have

    def __iter__(self) -> Iterator[Letter]:
        """Yield the letters, each counted before it is yielded."""
        for letter in self._letters:
            topic = self._inputs.get(letter.topic)
            if letter.cut:
                self.cut += 1
            elif letter in self._replayed:
                self.before += 1
            elif topic is None:
                self.elsewhere[letter.topic] += 1
            elif letter.partition >= topic.partitions:
                self.nowhere[letter.topic] += 1
            else:
                self.taken[f"{letter.reason} to {letter.topic}"] += 1
                self.old += 0 <= int(topic.config.get("retention.ms", -1)) < self._now - letter.record.timestamp
                yield letter


class Replay:
    """Writes events back to their input topics, in transactions of many.

    Args:
        kafka: where the brokers are, and how to log in.
        admin: makes the topic of what was replayed, where it is not there yet.
        letters: the dead-letter topic.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: they refuse.
    """

    def __init__(self, kafka: KafkaSettings, admin: Admin, letters: Topic) -> None:
        self._kafka = kafka
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

    def add(self, letter: Letter) -> None:
        """Replay a letter, at the latest with the next `commit`.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: they refused an event, or another has begun to replay. What was not done is to be replayed again.
        """
        self._added.append(letter)
        self._bytes += len(letter.record.value or b"")
        if len(self._added) >= BATCH_LETTERS or self._bytes >= BATCH_BYTES:
            self.commit()

    def commit(self) -> None:
        """Replay what was added: all of it, or on an error nothing.

        Raises:
            Unavailable, Fatal: as `add`.
        """
        letters, self._added, self._bytes = self._added, [], 0
        if not letters:
            return
        writes = _Writes()
        with self._worded():
            self._producer.begin_transaction()
            try:
                self._write(letters, writes)
                self._settle(writes)
                self._producer.commit_transaction(PATIENCE_SECONDS)
            except BaseException:
                with suppress(KafkaException):  # then the brokers abort it when its time is over
                    self._producer.abort_transaction(ABORT_SECONDS)
                raise
        self.done += len(letters)

    def _write(self, letters: Sequence[Letter], writes: _Writes) -> None:
        for letter in letters:
            what = f"topic {letter.topic} refused the event of dead letter {letter.place}"
            # Where the event was, so that it stays with the others of its key, whoever chose the partition.
            self._produce(_event(letter), letter.partition, writes.reporter(what))
            self.replayed.add(letter)
        for key, value in self.replayed.news():
            what = f"topic {memory_of(self._kafka)} refused to remember what was replayed"
            memory = Write(topic=memory_of(self._kafka), value=value, key=key)
            self._produce(memory, ANY_PARTITION, writes.reporter(what))

    def _produce(self, write: Write, partition: int, on_delivery: Callable[[KafkaError | None, Message], None]) -> None:
        while True:
            try:
                return self._producer.produce(**write, partition=partition, on_delivery=on_delivery)
            except BufferError:
                self._producer.poll(TURN_SECONDS)

    def _settle(self, writes: _Writes) -> None:
        """Wait until every write is acknowledged."""
        while not writes.settled:
            self._producer.poll(TURN_SECONDS)
        if writes.refused is None:
            return
        what, error = writes.refused
        if error.code() == KafkaError._MSG_TIMED_OUT:  # noqa: SLF001  as above
            raise no_answer(self._kafka.bootstrap_servers, self._reason.text)
        raise Fatal(f"{what}: {error.str()}; mend the topic and replay again: {self.done:,} are done, and stay so")

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
        if error.code() in NO_ANSWER:
            return no_answer(self._kafka.bootstrap_servers, self._reason.text)
        if error.code() in FENCED:
            return Fatal(
                "another replay of these dead letters has begun, or this one stood still for too long; what it had not"
                " finished is undone, and is replayed by the next"
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
