"""Sender and watcher on a real broker, with a scorer made of a few lines between them."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import fastavro
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from scorer.avro import PREDICTION_TEXT
from scorer.demo import stage, stream
from scorer.demo.proof import Verdict, compare
from scorer.demo.stream import Stream
from scorer.demo.traffic import Sender, Watcher
from scorer.sandbox import Kafka
from tests.conftest import MakeTopic
from tests.demo.conftest import Flights

MODEL = Path(__file__).parents[2] / "models/flight-delays/1/model.ubj"
PREDICTION: Any = fastavro.schema.parse_schema(json.loads(PREDICTION_TEXT))
EVENTS = 60


class Between:
    """Stands where the product stands: answers each record as it should, or as it is told to."""

    def __init__(self, kafka: Kafka, made: Stream, topics: tuple[str, str, str]) -> None:
        self._made, (self._events, self._predictions, self._dead_letters) = made, topics
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap})
        self._consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "between"})
        self._consumer.assign([TopicPartition(self._events, at, 0) for at in range(stage.PARTITIONS)])

    def answer(self, copies: dict[int, int], entities: list[str]) -> None:
        """Write as many predictions of each record as `copies` says, one where it says nothing."""
        left = len(self._made.values)
        while left > 0:
            for message in self._consumer.consume(100, 0.1):
                assert message.error() is None
                left -= 1
                number = self._made.expected.ids.index((message.key() or b"").decode())
                for _ in range(copies.get(number, 1)):
                    self._write(number, message, entities)
        assert self._producer.flush(10) == 0
        self._consumer.close()

    def _write(self, number: int, message: Message, entities: list[str]) -> None:
        expected = self._made.expected
        partition, offset = message.partition(), message.offset()
        if number in expected.reasons:
            headers: dict[str, Any] = {
                "scorer.reason": expected.reasons[number],
                "scorer.partition": str(partition),
                "scorer.offset": str(offset),
            }
            self._producer.produce(self._dead_letters, message.value(), message.key(), headers=headers)
            return
        body = io.BytesIO()
        prediction = {
            "event_id": expected.ids[number],
            "score": float(expected.scores["1"][number]),
            "model": "flight-delays",
            "version": "1",
            "arm": "champion",
            "missing": [name for bit, name in enumerate(entities) if int(expected.missing[number]) >> bit & 1],
            "degraded": False,
            "source_topic": self._events,
            "source_partition": partition,
            "source_offset": offset,
            "event_time": 0,
            "scored_at": 0,
        }
        fastavro.schemaless_writer(body, PREDICTION, prediction)
        self._producer.produce(self._predictions, body.getvalue(), message.key())


@pytest.fixture
def made(data: Flights) -> Stream:
    return stream.make(EVENTS, data.later, data.loaded, {"1": MODEL})


def played(kafka: Kafka, make_topic: MakeTopic, made: Stream, copies: dict[int, int]) -> tuple[Verdict, Watcher]:
    events, dead_letters = (make_topic(stem, stage.PARTITIONS) for stem in ("events", "dead"))
    predictions = make_topic("predictions", stage.PARTITIONS, message_timestamp_type="LogAppendTime")
    entities = ["plane", "route", "weather"]
    sender = Sender(kafka.bootstrap, events, made, 2000, stage.PARTITIONS)
    watcher = Watcher(kafka.bootstrap, (predictions, dead_letters), sender, entities)
    watcher.start()
    sender.start()
    Between(kafka, made, (events, predictions, dead_letters)).answer(copies, entities)
    sender.join()
    watcher.stop()
    assert sender.failure is watcher.failure is None
    assert sum(sender.arrived) == sender.sent == len(made.values)
    return compare(made.expected, sender.positions[: sender.sent], watcher.seen()), watcher


def test_correctly_answered_events_pass_the_proof(kafka: Kafka, make_topic: MakeTopic, made: Stream) -> None:
    verdict, watcher = played(kafka, make_topic, made, {})
    assert verdict.passed, verdict.examples
    assert (verdict.events, verdict.predictions, verdict.dead_letters) == (EVENTS, EVENTS, 12)
    assert watcher.outcomes == len(made.values)
    waits = watcher.latency_ms()
    assert sorted(waits[:, 0]) == sorted(set(range(len(made.values))) - set(made.expected.reasons))
    assert (waits[:, 1] >= 0).all()


def test_lost_and_repeated_events_are_found(kafka: Kafka, make_topic: MakeTopic, made: Stream) -> None:
    bad = min(made.expected.reasons)
    verdict, watcher = played(kafka, make_topic, made, {0: 0, 1: 3, bad: 0})
    assert (verdict.lost, verdict.duplicates, verdict.wrong) == (2, 2, 0)
    assert len(watcher.latency_ms()) == EVENTS - 1


def test_nothing_more_is_sent_after_a_stop(kafka: Kafka, make_topic: MakeTopic, made: Stream) -> None:
    sender = Sender(kafka.bootstrap, make_topic("events", stage.PARTITIONS), made, 1, stage.PARTITIONS)
    sender.start()
    sender.stop()
    sender.join(10)
    assert not sender.is_alive()
    assert sender.sent < len(made.values)
    assert (sender.positions[: sender.sent] >= 0).all()


def test_a_request_for_a_topic_still_unknown_to_the_client_is_retried(
    made: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Any] = [KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION)), (0, 7)]

    def get_watermark_offsets(*_: Any, **__: Any) -> tuple[int, int]:
        answer = answers.pop(0)
        if isinstance(answer, KafkaException):
            raise answer
        return cast("tuple[int, int]", answer)

    nowhere = "127.0.0.1:1"
    watcher = Watcher(nowhere, ("a", "b"), Sender(nowhere, "c", made, 1, stage.PARTITIONS), [])
    monkeypatch.setattr(watcher, "_consumer", SimpleNamespace(get_watermark_offsets=get_watermark_offsets))
    assert watcher._end(TopicPartition("a", 0)) == 7
