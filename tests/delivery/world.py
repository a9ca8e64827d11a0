"""Real replicas as processes on a real broker, and the count of every event's outputs.

The expected score of an event comes from the booster and numpy alone: neither Avro, nor Redis, nor our matrix is on
that path.
"""

import io
import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import fastavro
import numpy as np
import redis
import xgboost
import yaml
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewTopic
from numpy.typing import NDArray

from tests.delivery.members import Member, members_of
from tests.forks import Command, Process, freeze
from tests.kafka.ends import ends, is_open, patiently, wait_ended, wait_for_leaders

SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "card", "type": ["null", "string"]},
    ],
}
EVENT = fastavro.parse_schema(SCHEMA)
PLAN = {
    "entities": {"card": {"key": "card:{card}", "layout": "hash", "fields": ["spend"]}},
    "columns": [{"name": "amount", "event": "amount"}, {"name": "spend", "entity": "card", "field": "spend"}],
}
PREDICTION = fastavro.parse_schema(json.loads((Path(__file__).parents[2] / "schemas/prediction.avsc").read_text()))
CARDS = 50
PATIENCE_SECONDS = 60.0
ASK_SECONDS = 5.0


def amount(number: int) -> float:
    """Return the amount in the event with this number."""
    return (number * 7919 % 1000) / 10


def card(number: int) -> int | None:
    """Return the card of the event; some events have none, and some cards are not in the feature store."""
    return None if number % 17 == 0 else number % (CARDS + 5)


def body(number: int) -> bytes:
    """Return the event as Avro."""
    out = io.BytesIO()
    held = card(number)
    event = {"id": f"payment-{number}", "amount": amount(number), "card": None if held is None else str(held)}
    fastavro.schemaless_writer(out, EVENT, event)
    return out.getvalue()


@dataclass
class Ledger:
    """Published records by the source record."""

    predictions: dict[tuple[int, int], list[dict[str, object]]] = field(default_factory=lambda: defaultdict(list))
    dead_letters: dict[tuple[int, int], list[Message]] = field(default_factory=lambda: defaultdict(list))
    order: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))  # offsets by source partition

    @property
    def repeated(self) -> int:
        """The number of repeated predictions."""
        return sum(len(copies) - 1 for copies in self.predictions.values())


class World:
    """The topics, features, model and replicas of one test."""

    def __init__(self, bootstrap: str, redis_url: str, folder: Path, partitions: int = 4, **settings: Any) -> None:
        stem = f"world-{random.getrandbits(48):x}"
        self.bootstrap, self.folder, self.partitions = bootstrap, folder, partitions
        self.input, self.output, self.dead, self.group = (f"{stem}.{end}" for end in ("in", "out", "dead", "group"))
        # Otherwise the client logs a line for each broker that a test stops.
        client: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap, "log_level": 2}
        self.admin = AdminClient(client)
        topics = [NewTopic(name, partitions) for name in (self.input, self.output, self.dead)]
        for name, created in self.admin.create_topics(topics).items():
            created.result()
            wait_for_leaders(bootstrap, name, partitions)
        self.sent: dict[tuple[int, int], int | bytes | None] = {}  # number of the event, or the bytes of a bad one
        self.replicas: list[Command] = []
        self.exactly_once = settings.get("kafka__delivery") == "exactly-once"
        self._observer = Consumer(client | {"group.id": self.group})  # it never joins the group
        self._producer = Producer(
            client | {"linger.ms": 20, "enable.idempotence": True, "message.max.bytes": 10_000_000}
        )
        self._features(redis_url)
        self._bundle()
        self._configure(redis_url, settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for replica in self.replicas:
            replica.kill()
            replica.wait()
        self._observer.close()

    def send(self, values: Sequence[int | bytes | None], partition: int | None = None, **write: Any) -> None:
        """Write events (by number), or records that are not events (bytes, or None), and wait for the brokers."""

        def delivered(value: int | bytes | None) -> Callable[[KafkaError | None, Message], None]:
            def report(error: KafkaError | None, message: Message) -> None:
                assert error is None
                self.sent[place(message)] = value

            return report

        for index, value in enumerate(values):
            chosen = index % self.partitions if partition is None else partition
            content = body(value) if isinstance(value, int) else value
            key = f"key-{index}".encode()
            while True:
                try:
                    self._producer.produce(
                        self.input, content, **{"key": key} | write, partition=chosen, on_delivery=delivered(value)
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
        assert self._producer.flush(30) == 0

    def start(self, log_name: str = "replicas.log", **environment: str) -> Command:
        """Start a replica; variables are `SCORER_` settings."""
        words = ["run", "-c", str(self.folder / "scorer.yaml")]
        replica = Command(words, self.folder / log_name, os.environ | environment)
        self.replicas.append(replica)
        return replica

    def stop(self, replica: Command) -> int:
        """Stop a replica with SIGTERM, and return its exit code."""
        replica.send_signal(signal.SIGTERM)
        return self.ended(replica)

    def ended(self, replica: Command) -> int:
        """Wait until a replica exits, and return its exit code."""
        code = replica.wait(PATIENCE_SECONDS)
        self.replicas.remove(replica)
        return code

    def log(self) -> str:
        """Return the log of all replicas."""
        return (self.folder / "replicas.log").read_text()

    def ends(self, topic: str) -> dict[int, int]:
        """The end offset of each partition of a topic."""
        return {number: patiently(self._end, TopicPartition(topic, number)) for number in range(self.partitions)}

    def _end(self, place: TopicPartition) -> int:
        try:
            return int(self._observer.get_watermark_offsets(place, ASK_SECONDS)[1])
        except KafkaException:  # a client may cache for long that a new topic does not exist
            self._observer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group})
            raise

    def describe(self) -> list[Member]:
        """The members of the group."""
        return members_of(self.bootstrap, self.group)

    def published(self) -> int:
        """Return the number of predictions and dead letters."""
        if self.exactly_once:  # offsets also count aborted records and transaction markers
            return sum(self.committed().values())
        return sum(self.ends(self.output).values()) + sum(self.ends(self.dead).values())

    def committed(self) -> dict[int, int]:
        """The group's committed offsets by partition; 0 where there is none."""
        asked = [TopicPartition(self.input, number) for number in range(self.partitions)]
        committed = patiently(lambda partitions: self._observer.committed(partitions, 30), asked)
        return {at.partition: max(at.offset, 0) for at in committed}

    def wait(self, published: int, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until there are this many predictions and dead letters."""
        self.until(lambda: self.published() >= published, f"{published} outputs", seconds)

    def wait_committed(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the group has committed everything that was sent."""
        self.until(lambda: self.committed() == self.ends(self.input), "everything to be committed", seconds)

    def until(self, holds: object, what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a condition holds; fail with the replicas' log on a timeout."""
        assert callable(holds)
        deadline = time.monotonic() + seconds
        while not holds():
            failed = [replica.poll() for replica in self.replicas if (replica.poll() or 0) > 0]
            assert not failed, f"a replica ended with {failed}; log:\n{self.log()[-3000:]}"
            assert time.monotonic() < deadline, f"no {what} in {seconds} s; log:\n{self.log()[-3000:]}"
            time.sleep(0.05)

    def ledger(self) -> Ledger:
        """Read all outputs."""
        self.wait_ended()
        ledger = Ledger()
        for message in self.read(self.output):
            record = fastavro.schemaless_reader(io.BytesIO(message.value() or b""), PREDICTION, None)
            assert isinstance(record, dict)
            assert record["source_topic"] == self.input
            ledger.predictions[record["source_partition"], record["source_offset"]].append(record)
            ledger.order[record["source_partition"]].append(record["source_offset"])
        for message in self.read(self.dead):
            held = dict(headers(message))
            ledger.dead_letters[int(held["scorer.partition"] or b""), int(held["scorer.offset"] or b"")].append(message)
        return ledger

    def written(self, topic: str | None = None) -> int:
        """Return the number of written predictions (or records of a topic), including aborted ones."""
        return sum(1 for _ in self.read(topic or self.output, "read_uncommitted"))

    def verify(self) -> Ledger:
        """Check that every event has its prediction or dead letter and that every score is right; return the ledger.

        Each event has predictions or dead letters but not both; under exactly-once it has exactly one output.
        """
        ledger = self.ledger()
        if self.exactly_once:
            assert ledger.repeated == 0
            assert all(len(letters) == 1 for letters in ledger.dead_letters.values())
        numbers = {place: value for place, value in self.sent.items() if isinstance(value, int)}
        lost = numbers.keys() - ledger.predictions.keys()
        assert not lost, f"{len(lost)} of {len(numbers)} events lost; log:\n{self.log()[-3000:]}"
        assert ledger.predictions.keys() <= numbers.keys(), "predictions of what was no event"
        assert ledger.dead_letters.keys() == self.sent.keys() - numbers.keys()
        expected = dict(zip(numbers, self.scores(list(numbers.values())).tolist(), strict=True))
        for place, copies in ledger.predictions.items():
            number = numbers[place]
            for copy in copies:
                assert copy["score"] == expected[place]
                assert copy["event_id"] == f"payment-{number}"
                assert copy["missing"] == ([] if known(number) else ["card"])
        return ledger

    def scores(self, numbers: list[int]) -> NDArray[np.float32]:
        """Return the offline scores of events, float32 [events]."""
        spend = [float(card(number) or 0) * 3 if known(number) else np.nan for number in numbers]
        matrix = np.array([[amount(number) for number in numbers], spend], np.float32).T
        booster = xgboost.Booster(model_file=self.folder / "models/fraud/1/model.ubj")
        return booster.predict(xgboost.DMatrix(matrix, feature_names=["amount", "spend"]))

    def refuse(self, topic: str) -> None:
        """Make the broker refuse every write to a topic permanently, with an error that no client retries.

        Transaction markers of 78 bytes are still accepted, because brokers never retry a refused marker.
        """
        self.alter(topic, "max.message.bytes", "100" if self.exactly_once else "1")

    def accept(self, topic: str) -> None:
        """Make the broker accept writes again."""
        self.alter(topic, "max.message.bytes", "1048588")

    def lengthen_static_sessions(self) -> None:
        """Lengthen the session of named members under the consumer protocol, which the brokers set."""
        self.alter(self.group, "consumer.session.timeout.ms", "45000", ConfigResource.Type.GROUP)

    def alter(self, owner: str, name: str, value: str, kind: Any = ConfigResource.Type.TOPIC) -> None:
        """Set a property of a topic, or of another resource of type `kind`."""
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(kind, owner, incremental_configs=[entry])
        for altered in self.admin.incremental_alter_configs([resource]).values():
            altered.result()

    def wait_ended(self) -> None:
        """Wait until no transaction of the replicas is open."""
        for topic in (self.output, self.dead):
            wait_ended(self.bootstrap, topic, self.partitions)

    def kill_within_a_transaction(self, process: Process, topic: str, beyond: int = 0) -> None:
        """Kill a process while its open transaction has written to a topic and the given offsets are committed."""

        def begun() -> bool:
            committed = sum(ends(self.admin, topic, self.partitions, committed=True).values())
            return committed >= beyond and is_open(self.admin, topic, self.partitions)

        def within() -> bool:
            time.sleep(0.2)  # for a commit that was in flight when the process was frozen
            return is_open(self.admin, topic, self.partitions)

        _kill_when(within, process, begun)

    def kill_at_work(self, replica: Command) -> None:
        """Kill the only replica while it has written but uncommitted outputs, which will be repeated."""

        def at_work() -> bool:
            committed = sum(self.committed().values())
            time.sleep(0.2)  # for a commit that was in flight when the replica was frozen
            return sum(self.committed().values()) == committed < self.published()

        if self.exactly_once:
            self.kill_within_a_transaction(replica, self.output)
        else:
            _kill_when(at_work, replica)
        self.ended(replica)

    def read(self, topic: str, isolation: str = "read_committed") -> Iterator[Message]:
        """Read a topic to the end of each partition."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "ledger",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": isolation,
            }
        )
        consumer.assign([TopicPartition(topic, number, 0) for number in range(self.partitions)])
        left = set(range(self.partitions))
        while left:
            for message in consumer.consume(10_000, 0.2):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    left.discard(place(message)[0])
                else:
                    raise KafkaException(error)
        consumer.close()

    def _features(self, url: str) -> None:
        client = redis.Redis.from_url(url)
        for number in range(CARDS):
            client.hset(f"card:{number}", "spend", str(float(number) * 3))

    def _bundle(self) -> None:
        chance = np.random.default_rng(0)
        matrix = np.column_stack([chance.uniform(0, 100, 400), chance.uniform(0, 150, 400)]).astype(np.float32)
        label = matrix[:, 0] * 2 > matrix[:, 1]
        data = xgboost.DMatrix(matrix, label, feature_names=["amount", "spend"])
        booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, data, 20)
        bundle = self.folder / "models/fraud/1"
        bundle.mkdir(parents=True)
        booster.save_model(bundle / "model.ubj")
        (bundle / "plan.yaml").write_text(yaml.safe_dump(PLAN))

    def _configure(self, redis_url: str, settings: dict[str, object]) -> None:
        (self.folder / "event.avsc").write_text(json.dumps(SCHEMA))
        chosen: dict[str, object] = {
            "kafka": {
                "bootstrap_servers": self.bootstrap, "group_id": self.group, "input_topics": [self.input],
                "output_topic": self.output, "dead_letter_topic": self.dead,
                "properties": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500},
            },
            "events": {"schema": "event.avsc", "id": "id"},
            "features": {"url": redis_url, "timeout_ms": 1000},  # long enough for a busy machine
            "model": {"path": "models/fraud"},
            "http": None,
        }  # fmt: skip
        for path, value in settings.items():
            group, _, key = path.partition("__")
            held = chosen[group] = chosen.get(group) or {}
            assert isinstance(held, dict)
            held[key] = value
        (self.folder / "scorer.yaml").write_text(yaml.safe_dump(chosen))


def _kill_when(holds: Callable[[], bool], process: Process, likely: Callable[[], bool] = lambda: True) -> None:
    """Kill a process while a condition holds: it is frozen while the condition is checked.

    It runs until the condition is likely: brokers abort the transaction of a process that is frozen for ten seconds.
    """
    while True:
        assert process.poll() is None, "it ended before it was killed"
        if likely():
            freeze(process)
            if holds():
                break
            process.send_signal(signal.SIGCONT)
        time.sleep(0.01)
    process.kill()
    process.wait()


def known(number: int) -> bool:
    """Whether the feature store has the event's card."""
    held = card(number)
    return held is not None and held < CARDS


def place(message: Message) -> tuple[int, int]:
    """The partition and offset of a record."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def headers(message: Message) -> list[tuple[str, bytes | None]]:
    """The headers of a record, as they were written."""
    return cast("list[tuple[str, bytes | None]]", message.headers() or [])


def reasons(ledger: Ledger) -> Counter[str]:
    """Return the number of dead letters by reason."""
    letters = [letter for letters in ledger.dead_letters.values() for letter in letters]
    return Counter((dict(headers(letter))["scorer.reason"] or b"").decode() for letter in letters)
