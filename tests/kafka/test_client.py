"""Requests to brokers while partitions and groups move."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from scorer.kafka.client import MOVING, LastError, consumer_properties, settled
from scorer.security import redaction
from scorer.settings import BatchSettings
from tests.kafka.conftest import settings


class Moving:
    """Answers after some failed attempts."""

    def __init__(self, code: int, times: int) -> None:
        self._errors = iter([code] * times)
        self.asked = 0

    def __call__(self) -> str:
        self.asked += 1
        for code in self._errors:
            raise KafkaException(KafkaError(code))
        return "answer"


@pytest.mark.parametrize("code", sorted(MOVING))
def test_a_request_is_retried_while_partitions_move(code: int) -> None:
    assert settled(Moving(code, 3), 10) == "answer"


def test_a_partition_that_moves_for_too_long_is_an_error() -> None:
    moving = Moving(KafkaError.NOT_LEADER_FOR_PARTITION, 1_000)
    with pytest.raises(KafkaException, match="NOT_LEADER"):
        settled(moving, 0.2)
    assert moving.asked > 1


def test_other_errors_are_not_retried() -> None:
    refusing = Moving(KafkaError.TOPIC_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        settled(refusing, 10)
    assert refusing.asked == 1


def test_an_error_that_repeats_the_end_of_a_secret_is_kept_without_it() -> None:
    redaction.learn("principal=me hunter2=and-more scope=all")
    last = LastError()
    last(KafkaError(KafkaError._FAIL, "Unrecognized sasl.oauthbearer.config beginning at: hunter2=and-more scope=all"))
    assert last.text == "Unrecognized sasl.oauthbearer.config beginning at:********"


@pytest.mark.parametrize(
    ("max_records", "messages", "partition_bytes"),
    [(1, 20, 65_536), (20, 400, 81_920), (500, 10_000, 1_048_576), (8_000, 16_000, 1_048_576)],
)
def test_the_prefetch_is_proportional_to_a_batch(max_records: int, messages: int, partition_bytes: int) -> None:
    chosen = consumer_properties(settings("127.0.0.1:1"), BatchSettings(max_records=max_records))
    assert (chosen["queued.min.messages"], chosen["max.partition.fetch.bytes"]) == (messages, partition_bytes)


@pytest.mark.parametrize("name", ["max.partition.fetch.bytes", "fetch.message.max.bytes"])
def test_the_user_can_set_the_fetch_size_by_either_name(name: str) -> None:
    chosen = consumer_properties(settings("127.0.0.1:1", **{name.replace(".", "_"): "7000"}), BatchSettings())
    both = [key for key in chosen if key in {"max.partition.fetch.bytes", "fetch.message.max.bytes"}]
    assert both[-1] == name, "of two names for one property librdkafka takes the last"
    assert chosen[name] == "7000"
