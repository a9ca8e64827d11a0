from contextlib import closing

import pytest

from scorer.errors import Fatal, Unavailable
from scorer.kafka.operate import feed
from scorer.kafka.operate.feed import Feed
from scorer.kafka.operate.reader import Reader
from scorer.sandbox import Kafka
from tests.conftest import MakeTopic
from tests.kafka.conftest import settings


def test_every_acknowledged_event_is_counted_and_readable(kafka: Kafka, make_topic: MakeTopic) -> None:
    # A queue of 100 messages fills up repeatedly.
    chosen = settings(kafka.bootstrap, queue_buffering_max_messages="100")
    topic = make_topic(partitions=4)
    written = Feed(chosen, topic)
    for number in range(1000):
        written.write(b"%d" % number, b"key-%d" % (number % 10))
    written.finish()
    assert written.acknowledged == 1000
    with closing(Reader(chosen, [topic])) as reader:
        records = list(reader.read("beginning", follow=False))
    assert sorted(int(record.value or b"") for record in records) == list(range(1000))
    places = {record.key: record.partition for record in records}
    assert {record.partition for record in records} == set(places.values())
    assert all(places[record.key] == record.partition for record in records), "a key has one partition"


def test_an_event_that_the_topic_refuses_is_an_error_and_not_counted(kafka: Kafka, make_topic: MakeTopic) -> None:
    topic = make_topic(max_message_bytes="1")
    written = Feed(settings(kafka.bootstrap), topic)
    written.write(b"event", None)
    with pytest.raises(Fatal, match=rf"topic {topic} refused an event: .*too large"):
        written.finish()
    assert written.acknowledged == 0


def test_brokers_that_do_not_answer_are_unavailable_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "PATIENCE_SECONDS", 1.0)
    written = Feed(settings("127.0.0.1:1"), "flights")
    written.write(b"event", None)
    with pytest.raises(Unavailable, match="Connection refused"):
        written.finish()
