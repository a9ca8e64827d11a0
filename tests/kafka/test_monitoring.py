"""The monitor topic, on a real broker."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime

import pytest
from confluent_kafka import Producer

from scorer.errors import Fatal
from scorer.kafka import Admin, MonitorTopic, monitor_concerns, monitor_topic
from scorer.kafka.brokers.topics import Topic
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.test_control import settings_of


class Notes:
    """An listener that notes what it hears."""

    def __init__(self) -> None:
        self.begun, self.seen = 0, list[tuple[str, str, object]]()

    def began(self) -> None:
        self.begun += 1
        self.seen.clear()

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        assert abs(time.time() - seconds) < 3_600
        self.seen.append((kind, name, document))


@pytest.fixture
def topic(make_topic: MakeTopic) -> str:
    return make_topic("monitor", cleanup_policy="compact,delete")


@pytest.fixture
def settings(kafka: Kafka, topic: str) -> KafkaSettings:
    return settings_of(kafka.bootstrap, topic).model_copy(update={"control_topic": None})


@contextmanager
def opened(settings: KafkaSettings, topic: str, notes: Notes, model: str = "fraud") -> Iterator[MonitorTopic]:
    with closing(MonitorTopic(settings, topic, model, [notes])) as one:
        yield one


def settle(one: MonitorTopic, notes: Notes, last: object) -> None:
    deadline = time.monotonic() + 30
    while not notes.seen or notes.seen[-1][2] != last:
        assert time.monotonic() < deadline, notes.seen
        one.wait(0.2)


def test_what_one_tells_all_hear_in_one_order(settings: KafkaSettings, topic: str) -> None:
    listeners = [Notes(), Notes(), Notes()]
    with (
        opened(settings, topic, listeners[0]) as one,
        opened(settings, topic, listeners[1]) as two,
        opened(settings, topic, listeners[2], "other") as other,
    ):
        one.tell("status/a", {"events": 1})
        settle(two, listeners[1], {"events": 1})
        two.tell("counts/flights/0", {"b": [1, 2]})
        other.tell("status/a", ["of another model"])
        settle(other, listeners[2], ["of another model"])
        settle(one, listeners[0], {"b": [1, 2]})
        two.tell("status/a", None)
        settle(one, listeners[0], None)
        settle(two, listeners[1], None)
    expected = [("status", "a", {"events": 1}), ("counts", "flights/0", {"b": [1, 2]}), ("status", "a", None)]
    assert listeners[0].seen == listeners[1].seen == expected
    assert listeners[2].seen == [("status", "a", ["of another model"])]
    late = Notes()
    with opened(settings, topic, late) as reader:
        reader.read()
    assert late.seen == expected, "a late reader begins with the first record"
    assert late.begun == 1


def test_what_is_no_json_or_has_another_key_is_passed_over(settings: KafkaSettings, topic: str) -> None:
    producer, notes = Producer({"bootstrap.servers": settings.bootstrap_servers, "log_level": 2}), Notes()
    for key, value in ((b"fraud/x/1", b"{"), (b"fraud/\xff/1", b"1"), (b"", b"1"), (b"fraud/x/1", b"[" * 100_000)):
        producer.produce(topic, value, key)
    producer.produce(topic, b'{"a": 1}', b"fraud/x/last")
    assert producer.flush(30) == 0
    with opened(settings, topic, notes) as reader:
        reader.read()
    assert notes.seen == [("x", "last", {"a": 1})]


class Times(Notes):
    """An listener that notes when records were written."""

    def heard(self, kind: str, name: str, document: object, seconds: float) -> None:
        del document
        self.seen.append((kind, name, datetime.fromtimestamp(seconds).astimezone().year))


def test_a_record_of_any_time_has_a_date(settings: KafkaSettings, make_topic: MakeTopic) -> None:
    topic, notes = make_topic("monitor", message_timestamp_after_max_ms=str(2**63 - 1)), Times()
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "log_level": 2})
    for milliseconds in (1, 2**53, 2**63 - 1):
        producer.produce(topic, b"1", b"fraud/x/1", timestamp=milliseconds)
    assert producer.flush(30) == 0
    with opened(settings, topic, notes) as reader:
        reader.read()
    assert [year for _, _, year in notes.seen] == [1970, 9999, 9999]


def test_a_topic_that_does_not_exist_is_named(settings: KafkaSettings) -> None:
    with opened(settings, "absent", Notes()) as reader, pytest.raises(Fatal) as refused:
        reader.read()
    assert "`scorer topics --create` creates a missing monitor.topic" in str(refused.value)


def test_the_topic_that_is_created_raises_no_concern(settings: KafkaSettings, topic: str) -> None:
    wanted, admin = monitor_topic(f"{topic}-made"), Admin(settings)
    admin.create([wanted])
    made = admin.topics([wanted.name])[wanted.name]
    assert made.partitions == 1
    assert made.config["cleanup.policy"] == "compact,delete"
    assert monitor_concerns(made) == []


def test_a_topic_that_would_grow_or_forget_is_warned_about() -> None:
    def concerns(**config: str) -> list[str]:
        return monitor_concerns(Topic("m", 1, config={name.replace("_", "."): value for name, value in config.items()}))

    assert "keeps every record of every second" in concerns(cleanup_policy="delete")[0]
    assert "keeps the records of replicas that are long gone" in concerns(cleanup_policy="compact")[0]
    assert concerns(cleanup_policy="delete, compact") == []
    assert "forgets totals by the hour of the week" in concerns(retention_ms="3600000")[0]
    assert concerns(retention_ms="-1") == []
    assert monitor_concerns(Topic("m", 2)) == ["m has 2 partitions; only partition 0 is used"]
