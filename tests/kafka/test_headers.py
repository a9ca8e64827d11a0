from collections.abc import Sequence

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from scorer.kafka.headers import headers_of
from scorer.sandbox import Kafka
from tests.conftest import MakeTopic
from tests.kafka.raw_headers import write_raw


def messages(kafka: Kafka, topic: str, number: int) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "headers"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = consumer.consume(number, 30)
    consumer.close()
    assert len(found) == number
    return found


def one_message(kafka: Kafka, topic: str) -> Message:
    return messages(kafka, topic, 1)[0]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ([], ()),
        ([(b"a", b"1"), (b"a", None), (b"\xc3\xa9", b"")], (("a", b"1"), ("a", None), ("é", b""))),
        ([(b"ok", b"1"), (b"a\xff", b"2"), (b"ok", None)], (("ok", b"1"), (r"a\xff", b"2"), ("ok", None))),
        ([(b"\xfe", None)], ((r"\xfe", None),)),
        ([(b"\xfe", None), (b"", b"x"), (b"\xff", b"y")], ((r"\xfe", None), ("", b"x"), (r"\x..", b"y"))),
        ([(b"\xff" * 300, b"x")] * 3, ((r"\xff" * 300, b"x"), (r"\x..", b"x"), (r"\x..", b"x"))),
    ],
)
def test_headers_of_any_name_are_read_and_can_be_written_again(
    kafka: Kafka,
    make_topic: MakeTopic,
    written: Sequence[tuple[bytes, bytes | None]],
    read: Sequence[tuple[str, bytes | None]],
) -> None:
    topic = make_topic()
    write_raw(kafka.bootstrap, topic, [(b"v", written)])
    message = one_message(kafka, topic)
    assert headers_of(message) == read
    assert headers_of(message) == read
    again, producer = make_topic(), Producer({"bootstrap.servers": kafka.bootstrap})
    producer.produce(again, b"v", headers=list(headers_of(message)))
    assert producer.flush(30) == 0
    assert headers_of(one_message(kafka, again)) == read


def test_header_names_that_are_not_utf_8_do_not_affect_other_messages(kafka: Kafka, make_topic: MakeTopic) -> None:
    topic, number = make_topic(), 600
    write_raw(kafka.bootstrap, topic, [(b"v", [(b"\xff" if at % 3 else b"a", b"%d" % at)]) for at in range(number)])
    read = [headers_of(message) for message in messages(kafka, topic, number)]
    assert read == [((r"\xff" if at % 3 else "a", b"%d" % at),) for at in range(number)]
