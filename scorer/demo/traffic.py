"""The demo's producer of events and its consumer of predictions and dead letters.

They use plain Kafka clients and fastavro on purpose: they must share no code with the product.
"""

import io
import json
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import fastavro
import numpy as np
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from numpy.typing import NDArray

from scorer.avro import PREDICTION_TEXT
from scorer.demo import flights
from scorer.demo.proof import Seen
from scorer.demo.stream import Stream

TICK_SECONDS = 0.02  # between two groups of events
READ_SECONDS = 0.02
ANSWER_SECONDS = 5.0
DELIVERY_SECONDS = 30.0
NOT_SENT = -1


class Sender(threading.Thread):
    """Sends the stream's records at a steady rate, from `start()` until all are sent, or `stop()`.

    Args:
        bootstrap: the brokers.
        topic: the topic of the events.
        stream: the records to send.
        rate: records a second.
        partitions: the topic's number of partitions.
    """

    def __init__(self, bootstrap: str, topic: str, stream: Stream, rate: float, partitions: int) -> None:
        super().__init__(name="sender", daemon=True)
        self._topic, self.stream, self.rate = topic, stream, rate
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 2,
                "partitioner": "murmur2_random",
                "message.timeout.ms": int(DELIVERY_SECONDS * 1000),
                "log_level": 0,
            }
        )
        self._halt = threading.Event()
        self.sent = 0  # how many records were handed to the producer, from the first on
        self.sent_ms = np.zeros(len(stream.values), np.int64)  # when, milliseconds since the epoch
        self.positions = np.full((len(stream.values), 2), NOT_SENT, np.int64)  # partition and offset, once acknowledged
        self.arrived = [0] * partitions  # records acknowledged, by partition
        self.failure: str | None = None

    def run(self) -> None:
        """Send until everything is sent or `stop` is called, then wait for the acknowledgements."""
        begin = time.monotonic()
        while self.sent < len(self.stream.values) and not self._halt.wait(TICK_SECONDS):
            self._send(min(int((time.monotonic() - begin) * self.rate), len(self.stream.values)))
            self._producer.poll(0)
        self._producer.flush(DELIVERY_SECONDS)

    def stop(self) -> None:
        """Send no more."""
        self._halt.set()

    def _send(self, until: int) -> None:
        now = time.time_ns() // 1_000_000
        self.sent_ms[self.sent : until] = now
        for number in range(self.sent, until):
            value, key = self.stream.values[number], self.stream.expected.ids[number]
            try:
                self._producer.produce(self._topic, value, key, on_delivery=partial(self._delivered, number))
            except BufferError:  # the broker cannot keep up: retry the rest at the next tick
                return
            self.sent = number + 1

    def _delivered(self, number: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failure = error.str()
            return
        partition, offset = cast("tuple[int, int]", (message.partition(), message.offset()))
        self.positions[number] = partition, offset
        self.arrived[partition] += 1


class Arrivals(threading.Thread):
    """Sends whether each flight was late, once the stream has come to the time of its arrival.

    Args:
        bootstrap: the brokers.
        topic: the topic of the labels.
        schema: their schema: `flight_id`, `late` and `at`.
        sender: sends the flights.
    """

    def __init__(self, bootstrap: str, topic: str, schema: Path, sender: Sender) -> None:
        super().__init__(name="arrivals", daemon=True)
        self._topic, self._sender = topic, sender
        self._schema: Any = fastavro.schema.load_schema(str(schema))
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "log_level": 0})
        self._labels = list(self._due(sender.stream))
        self._halt = threading.Event()

    def run(self) -> None:
        """Send until all labels are sent, or `stop` is called."""
        at = 0
        while at < len(self._labels) and not self._halt.wait(TICK_SECONDS):
            while at < len(self._labels) and self._labels[at][0] <= self._sender.sent:
                _, name, late, arrived = self._labels[at]
                body = io.BytesIO()
                fastavro.schemaless_writer(body, self._schema, {"flight_id": name, "late": late, "at": arrived})
                try:
                    self._producer.produce(self._topic, body.getvalue(), name)
                except BufferError:  # the rest at the next tick
                    break
                at += 1
            self._producer.poll(0)
        self._producer.flush(DELIVERY_SECONDS)

    def stop(self) -> None:
        """Send no more, and wait until what was sent is acknowledged."""
        self._halt.set()
        self.join()

    @staticmethod
    def _due(stream: Stream) -> list[tuple[int, str, bool, int]]:
        """Return, in order, after how many records a label is due, the flight's id, and whether and when it arrived."""
        numbers = np.flatnonzero(stream.flight >= 0)
        lines = stream.flight[numbers]
        departure = flights.milliseconds(stream.flights.scheduled_departure)[lines]
        arrival = flights.milliseconds(stream.flights.arrived)[lines]
        late = stream.late(numbers)
        known = np.isfinite(late)
        # Of a second lap of the flights, departures begin anew; its labels follow those of the first.
        lap = np.cumsum(np.diff(departure, prepend=departure[0]) < 0) * (departure.max() - departure.min() + 1)
        due = np.searchsorted(departure + lap, arrival + lap)
        after = np.append(numbers, len(stream.values))[np.minimum(due, len(numbers))]
        order = np.argsort(np.where(known, after, len(stream.values)), kind="stable")
        ids = stream.expected.ids
        return [
            (int(after[each]), ids[numbers[each]], bool(late[each]), int(arrival[each]))
            for each in order.tolist()
            if known[each]
        ]


class Watcher(threading.Thread):
    """Reads predictions and dead letters as they arrive, from `start()` until `stop()`.

    Times are the records' timestamps, which the broker must set (`message.timestamp.type=LogAppendTime`).

    Args:
        bootstrap: the brokers.
        topics: the topics of the predictions and of the dead letters.
        sender: has the records with the times at which they were sent.
        entities: the names of the plan's entities, in order.
    """

    def __init__(self, bootstrap: str, topics: tuple[str, str], sender: Sender, entities: list[str]) -> None:
        super().__init__(name="watcher", daemon=True)
        self._predictions, self.sender = topics[0], sender
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "demo",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,  # other requests to the broker wait for the current fetch
                "log_level": 0,
            }
        )
        partitions = range(len(sender.arrived))
        self._assigned = [TopicPartition(name, at, 0) for name in topics for at in partitions]
        self._consumer.assign(self._assigned)
        self._schema = fastavro.schema.parse_schema(json.loads(PREDICTION_TEXT))
        self.entities = entities
        self._bits = {name: 1 << bit for bit, name in enumerate(entities)}
        self._number = {name: number for number, name in enumerate(sender.stream.expected.ids)}
        self._halt = threading.Event()
        self._done = np.zeros(len(sender.stream.values), bool)
        self.finished = [0] * len(partitions)  # distinct records with a prediction or dead letter, by source partition
        self.outcomes = 0  # the same, for all partitions
        self.numbers: list[int] = []  # this and the following lists: see Seen
        self.versions: list[str] = []
        self.arms: list[str] = []  # the arm of each prediction
        self.scores: list[float] = []
        self.missing: list[int] = []
        self.sources: list[tuple[int, int]] = []
        self.rejected: list[tuple[int, str, bool]] = []
        self.waits: list[tuple[int, int]] = []  # record and milliseconds from its sending to its first prediction
        self.last_ms = 0  # when the latest outcome was written
        self.failure: str | None = None

    def run(self) -> None:
        """Read until `stop` is called."""
        try:
            while not self._halt.is_set():
                self._read()
            ends = self._ends()
            while any(at.offset < ends[at.topic, at.partition] for at in self._consumer.position(self._assigned)):
                self._read()
        except KafkaException as error:
            self.failure = error.args[0].str()
        self._consumer.close()

    def stop(self) -> None:
        """Read up to the current ends of the topics, and wait until that is done."""
        self._halt.set()
        self.join()

    def seen(self) -> Seen:
        """Return everything that was read."""
        return Seen(
            np.array(self.numbers, np.int64),
            self.versions,
            np.array(self.scores, np.float64),
            np.array(self.missing, np.uint8),
            np.array(self.sources, np.int64).reshape(-1, 2),
            self.rejected,
        )

    def latency_ms(self) -> NDArray[np.int64]:
        """Return int64 [events, 2]: record, and milliseconds from its sending to its first prediction on the broker."""
        return np.array(self.waits, np.int64).reshape(-1, 2)

    def _read(self) -> None:
        for message in self._consumer.consume(1000, READ_SECONDS):
            if (error := message.error()) is not None:
                raise KafkaException(error)
            self._take(message)

    def _ends(self) -> dict[tuple[str, int], int]:
        """Return the end offset of each partition; OFFSET_INVALID for an empty one, which is its position, too."""
        return {(at.topic, at.partition): self._end(at) or OFFSET_INVALID for at in self._assigned}

    def _end(self, at: TopicPartition) -> int:
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                return int(self._consumer.get_watermark_offsets(at, timeout=ANSWER_SECONDS)[1])
            except KafkaException as error:  # the broker may not know a new topic at once
                if error.args[0].code() != KafkaError._UNKNOWN_PARTITION or time.monotonic() > deadline:  # noqa: SLF001  librdkafka's own codes are so named
                    raise
            time.sleep(READ_SECONDS)

    def _take(self, message: Message) -> None:
        written = message.timestamp()[1]
        self.last_ms = max(self.last_ms, written)
        if message.topic() == self._predictions:
            self._prediction(message.value() or b"", written)
        else:
            self._dead_letter(message)

    def _prediction(self, value: bytes, written: int) -> None:
        prediction: Any = fastavro.schemaless_reader(io.BytesIO(value), self._schema, None)
        number = self._number.get(prediction["event_id"], -1)
        self.missing.append(sum(self._bits[name] for name in prediction["missing"]))
        self.sources.append((prediction["source_partition"], prediction["source_offset"]))
        self.versions.append(prediction["version"])
        self.arms.append(prediction["arm"])
        self.scores.append(prediction["score"])
        self.numbers.append(number)
        if self._finish(number, prediction["source_partition"]):
            self.waits.append((number, written - int(self.sender.sent_ms[number])))

    def _dead_letter(self, message: Message) -> None:
        number = self._number.get((message.key() or b"").decode(), -1)
        headers = cast("dict[str, bytes]", dict(message.headers() or ()))
        same = number >= 0 and (message.value() or b"") == self.sender.stream.values[number]
        self.rejected.append((number, headers["scorer.reason"].decode(), same))
        self._finish(number, int(headers["scorer.partition"]))

    def _finish(self, number: int, partition: int) -> bool:
        """Note that a record has its outcome; return whether that is the first."""
        if number < 0 or self._done[number]:
            return False
        self._done[number] = True
        self.finished[partition] += 1
        self.outcomes += 1
        return True
