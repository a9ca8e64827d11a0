"""Watches the topics and the group during a run: samples for the checker, and the phases of killed replicas."""

import io
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum

import fastavro
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from tests.delivery.world import PREDICTION, World, headers, place
from tests.torture.checker import Output, Place, Sample
from tests.torture.load import uid_of

SILENT_SECONDS = 10.0  # without an answer, after which another client asks
ASK_SECONDS = 2.0  # the timeout of a request; an unavailable broker is asked again later
SAMPLE_SECONDS = 0.1
CATCH_UP_SECONDS = 5.0
MODEL = "fraud 1"
End = tuple[bool, int]  # dead or not, partition


class Phase(StrEnum):
    """The phase of a replica when it was killed, as far as the brokers can tell."""

    IDLE = "idle"  # everything was committed
    BATCH = "batch in hand"  # no output of the uncommitted inputs was written
    WRITES = "writes in flight"  # some outputs of the uncommitted inputs were written
    COMMIT = "commit in flight"  # all outputs of the uncommitted inputs were written


def output_of(message: Message, *, dead: bool) -> Output:
    """Return the output in a record of the predictions or dead letters."""
    partition, offset = place(message)
    value = message.value() or b""
    if dead:
        held = dict(headers(message))
        source = int(held["scorer.partition"] or b""), int(held["scorer.offset"] or b"")
        model = b" ".join(held[name] or b"" for name in ("scorer.model", "scorer.version")).decode()
        return Output(dead, partition, offset, source, uid_of(value), model, float("nan"))
    record = fastavro.schemaless_reader(io.BytesIO(value), PREDICTION, None)
    assert isinstance(record, dict)
    source = record["source_partition"], record["source_offset"]
    model = f"{record['model']} {record['version']}"
    return Output(dead, partition, offset, source, record["event_id"], model, record["score"])


class Asker:
    """A consumer that queries the group without joining it; for one thread."""

    def __init__(self, world: World, isolation: str = "read_uncommitted") -> None:
        self._world, self._isolation = world, isolation
        self._consumers = [_reader(world, isolation)]
        self.without: set[int] = set()  # partitions without a committed offset in the last answer
        self._answered = time.monotonic()

    def committed(self) -> dict[int, int]:
        """Return the committed offsets, without waiting for open transactions.

        Raises:
            KafkaException: the brokers do not answer.
        """
        asked = [TopicPartition(self._world.input, number) for number in range(self._world.partitions)]
        answered = self._ask(lambda consumer: consumer.committed(asked, ASK_SECONDS))
        self.without = {at.partition for at in answered if at.offset < 0}
        return {at.partition: max(at.offset, 0) for at in answered}

    def ends(self, names: Mapping[str, bool]) -> dict[End, int]:
        """Return the ends of topics, under the asker's isolation level.

        Raises:
            KafkaException: the brokers do not answer.
        """
        numbers = range(self._world.partitions)
        # OFFSET_END as the timestamp makes this a single request.
        asked = [TopicPartition(topic, number, OFFSET_END) for topic in names for number in numbers]
        answered = self._ask(lambda consumer: consumer.offsets_for_times(asked, ASK_SECONDS))
        return {(names[at.topic], at.partition): at.offset for at in answered}

    def _ask(self, ask: Callable[[Consumer], list[TopicPartition]]) -> list[TopicPartition]:
        try:
            answered = _answered(ask(self._consumers[-1]))
        except KafkaException:
            # After brokers failed, a client may cache outdated metadata for ever, so it is replaced. The old one is
            # closed at the end: a client that is closed while an answer arrives may crash.
            if time.monotonic() > self._answered + SILENT_SECONDS:
                self._consumers.append(_reader(self._world, self._isolation))
                self._answered = time.monotonic()
            raise
        self._answered = time.monotonic()
        return answered

    def close(self) -> None:
        """Close the consumers."""
        for consumer in self._consumers:
            consumer.close()


class Watch(threading.Thread):
    """Reads all outputs as they come, committed or not, and samples what is committed."""

    def __init__(self, world: World) -> None:
        super().__init__(name="watch", daemon=True)
        self._world = world
        self._names = {world.output: False, world.dead: True}
        self._tail = _reader(world, "read_uncommitted")
        self._sampler = Asker(world)
        self._looker, self._stable = Asker(world), Asker(world, "read_committed")
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._reached: dict[End, int] = defaultdict(int)
        self._written: dict[int, dict[int, tuple[End, int]]] = defaultdict(dict)  # the last output of each input
        self._sampled = 0.0
        self.written = 0  # outputs, including those of aborted transactions
        self._distinct: set[Place] = set()
        self.samples: list[Sample] = []
        self.failure: BaseException | None = None

    @property
    def repeated(self) -> int:
        """The number of repeated outputs, including aborted ones."""
        return self.written - len(self._distinct)

    def run(self) -> None:
        """Read and sample until `end` is called."""
        try:
            self._tail.assign(
                [TopicPartition(topic, number, 0) for topic in self._names for number in range(self._world.partitions)]
            )
            while not self._ending.is_set():
                self._take(self._tail.consume(1_000, SAMPLE_SECONDS / 2))
                if time.monotonic() > self._sampled + SAMPLE_SECONDS:
                    self._sample()
                    self._sampled = time.monotonic()
        except Exception as error:  # noqa: BLE001  raised in the test's own thread
            self.failure = error

    def end(self) -> None:
        """Stop reading."""
        self._ending.set()

    def finish(self) -> None:
        """Stop, and raise any error."""
        self.end()
        self.join()
        for client in (self._tail, self._sampler, self._looker, self._stable):
            client.close()
        if self.failure is not None:
            raise self.failure

    def look(self, partitions: Collection[int]) -> Phase | None:
        """Return the phase of the frozen owner of some partitions; None if the brokers do not answer.

        Outputs of transactions that were aborted are no sign of it: they lie below the last stable offset.
        """
        try:
            ends = self._looker.ends(self._names)
            stable = self._stable.ends(self._names) if self._world.exactly_once else {}
            committed = self._looker.committed()
            inputs = self._looker.ends({self._world.input: False})
        except KafkaException:
            return None
        if not self._has_read(ends):
            return None
        phases = {self._phase(committed[number], number, inputs[False, number], stable) for number in partitions}
        return next((phase for phase in (Phase.WRITES, Phase.COMMIT, Phase.BATCH) if phase in phases), Phase.IDLE)

    def _phase(self, committed: int, number: int, end: int, stable: Mapping[End, int]) -> Phase:
        with self._lock:
            open_offsets = {
                offset
                for offset, (at, written) in self._written[number].items()
                if offset >= committed and written >= stable.get(at, 0)
            }
        if not open_offsets:
            return Phase.BATCH if committed < end else Phase.IDLE
        return Phase.COMMIT if max(open_offsets) - committed + 1 == len(open_offsets) else Phase.WRITES

    def _has_read(self, ends: Mapping[End, int]) -> bool:
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while any(self._reached[at] < end for at, end in ends.items()):
            if time.monotonic() > deadline or not self.is_alive():
                return False
            time.sleep(0.002)
        return True

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            error, (partition, offset) = message.error(), place(message)
            at = self._names[message.topic() or ""], partition
            if error is None:
                output = output_of(message, dead=at[0])
                with self._lock:
                    self._written[output.source[0]][output.source[1]] = at, offset
                self._distinct.add(output.source)
                self.written += 1
                self._reached[at] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._reached[at] = offset

    def _sample(self) -> None:
        try:
            sample = Sample(
                self._sampler.committed(), self._sampler.ends(self._names)
            )  # in this order: see the checker
        except KafkaException:
            return
        # A broker that was just killed may answer that there are no offsets; no commit of a replica removes one.
        if self.samples and any(self.samples[-1].committed[number] for number in self._sampler.without):
            return
        if not self.samples or self.samples[-1].committed != sample.committed:
            self.samples.append(sample)
        with self._lock:
            for number, committed in sample.committed.items():
                later = {offset: at for offset, at in self._written[number].items() if offset >= committed}
                self._written[number] = later


def _reader(world: World, isolation: str) -> Consumer:
    """Create a consumer that queries the group without joining it."""
    return Consumer(
        {
            "bootstrap.servers": world.bootstrap,
            "group.id": world.group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "log_level": 2,  # brokers are unavailable on purpose
        }
    )


def _answered(partitions: list[TopicPartition]) -> list[TopicPartition]:
    for each in partitions:
        if each.error is not None:
            raise KafkaException(each.error)
    return partitions
