import threading
from collections.abc import Callable
from contextlib import closing
from itertools import islice

import pytest
from confluent_kafka import Producer

from scorer.errors import Fatal, Unavailable
from scorer.kafka.brokers.admin import Admin
from scorer.kafka.operate.reader import Reader, Record
from scorer.sandbox import Kafka
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.conftest import settings

Write = Callable[[str, int], None]
Read = Callable[[str], list[Record]]


@pytest.fixture
def write(kafka: Kafka) -> Write:
    """Write records to the topic's two partitions in turn."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap})

    def records(topic: str, count: int) -> None:
        for number in range(count):
            producer.produce(topic, b"%d" % number, partition=number % 2)
        assert producer.flush(10) == 0

    return records


@pytest.fixture
def read(kafka_settings: KafkaSettings) -> Read:
    """Read a topic to the end that it had at the start."""

    def records(topic: str) -> list[Record]:
        with closing(Reader(kafka_settings, [topic])) as reader:
            return list(reader.read("beginning", follow=False))

    return records


def test_reading_from_the_beginning_stops_at_the_end_of_the_topic(
    make_topic: MakeTopic, write: Write, read: Read
) -> None:
    topic = make_topic(partitions=2)
    write(topic, 1000)
    records = read(topic)
    assert sorted(int(record.value or b"") for record in records) == list(range(1000))
    for partition in (0, 1):
        assert [record.offset for record in records if record.partition == partition] == list(range(500))


def test_several_topics_are_read_together(kafka_settings: KafkaSettings, make_topic: MakeTopic, write: Write) -> None:
    one, two = make_topic(partitions=2), make_topic(partitions=2)
    write(one, 10)
    write(two, 30)
    with closing(Reader(kafka_settings, [one, two])) as reader:
        topics = [record.topic for record in reader.read("beginning", follow=False)]
    assert (topics.count(one), topics.count(two)) == (10, 30)


def test_reading_an_empty_topic_ends_at_once(make_topic: MakeTopic, read: Read) -> None:
    assert read(make_topic(partitions=2)) == []


def test_records_keep_key_value_timestamp_and_headers(kafka: Kafka, make_topic: MakeTopic, read: Read) -> None:
    topic = make_topic()
    headers: list[tuple[str, str | bytes | None]] = [("a", b"1"), ("a", None), ("b", b"\xff")]
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(topic, None, b"key", timestamp=1234, headers=headers)
    assert producer.flush(10) == 0
    assert read(topic) == [Record(topic, 0, 0, 1234, b"key", None, tuple(headers))]  # type: ignore[arg-type]


def test_records_that_arrive_during_a_read_are_not_waited_for(
    kafka_settings: KafkaSettings, make_topic: MakeTopic, write: Write
) -> None:
    topic = make_topic(partitions=2)
    write(topic, 10)
    with closing(Reader(kafka_settings, [topic])) as reader:
        records = reader.read("beginning", follow=False)
        first = next(records)
        write(topic, 50)
        assert len([first, *records]) == 10


def test_aborted_records_and_transaction_markers_do_not_block_the_reader(
    kafka: Kafka, make_topic: MakeTopic, read: Read
) -> None:
    topic = make_topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic, "linger.ms": 0})
    producer.init_transactions(30)
    for kept in (True, False):
        producer.begin_transaction()
        producer.produce(topic, b"kept" if kept else b"aborted")
        producer.flush()
        (producer.commit_transaction if kept else producer.abort_transaction)(10)
    assert [record.value for record in read(topic)] == [b"kept"]


def test_reading_from_the_end_follows_new_records(
    kafka_settings: KafkaSettings, make_topic: MakeTopic, write: Write
) -> None:
    topic = make_topic(partitions=2)
    write(topic, 10)
    later = threading.Timer(1, write, (topic, 4))
    later.start()
    with closing(Reader(kafka_settings, [topic])) as reader:
        records = list(islice(reader.read("end", follow=True), 4))
    later.join()
    assert sorted((record.partition, record.offset) for record in records) == [(0, 5), (0, 6), (1, 5), (1, 6)]


def test_the_reader_does_not_join_the_group_and_commits_nothing(
    kafka_settings: KafkaSettings, make_topic: MakeTopic, write: Write, read: Read
) -> None:
    topic = make_topic(partitions=2)
    write(topic, 10)
    read(topic)
    admin = Admin(kafka_settings)
    lag = admin.lag(kafka_settings.group_id, admin.topics([topic]).values(), "earliest")
    assert (lag.state, [partition.committed for partition in lag.partitions]) == ("dead", [None, None])


def test_a_topic_that_does_not_exist_is_named(read: Read) -> None:
    with pytest.raises(Fatal, match=r"cannot read topic nowhere: .*Unknown topic"):
        read("nowhere")


def test_unreachable_brokers_are_reported_with_the_reason() -> None:
    with (
        closing(Reader(settings("127.0.0.1:1"), ["flights"], seconds=0.5)) as reader,
        pytest.raises(Unavailable, match="Connection refused"),
    ):
        next(reader.read("end", follow=True))


def test_reading_from_a_time_starts_with_the_first_record_of_it(
    kafka: Kafka, kafka_settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic = make_topic(partitions=3)  # the last one stays empty
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(20):
        producer.produce(topic, b"%d" % number, partition=number % 2, timestamp=1_700_000_000_000 + number)
    assert producer.flush(10) == 0
    for since, expected in ((7, range(7, 20)), (0, range(20)), (19, [19]), (20, [])):
        with closing(Reader(kafka_settings, [topic])) as reader:
            records = list(reader.read(1_700_000_000_000 + since, follow=False))
        assert sorted(int(record.value or b"") for record in records) == list(expected)
