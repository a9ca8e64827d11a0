"""Decides whether the event or the topic is at fault for a refused write, without a broker."""

from collections.abc import Mapping

import pytest
from confluent_kafka import KafkaError

from scorer.kafka.brokers.topics import LARGEST_REQUEST
from scorer.kafka.delivery.refusals import Refusals
from scorer.kafka.delivery.topic_limits import TopicLimits
from scorer.kafka.writes import CUT, KEPT_BYTES, Write, cut
from tests.kafka.conftest import settings

TOO_LARGE, INVALID = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), KafkaError(KafkaError.INVALID_RECORD)
ORDINARY = 200


class FixedLimits(TopicLimits):
    """Fixed limits, for which no broker is asked."""

    def __init__(self, config: Mapping[str, str]) -> None:
        super().__init__(settings("nowhere:1"))
        self._config = config

    def config(self, topic: str) -> Mapping[str, str]:
        del topic
        return self._config

    def largest_letter(self) -> int:
        return LARGEST_REQUEST


def prediction(key: bytes | None) -> Write:
    return Write(topic="scores", value=bytes(ORDINARY), key=key)


@pytest.mark.parametrize(
    ("error", "key", "config", "own"),
    [
        (TOO_LARGE, bytes(2_000), {"max.message.bytes": "2000"}, True),
        (TOO_LARGE, bytes(2_000), {"max.message.bytes": "1"}, False),  # too small for any prediction
        (TOO_LARGE, bytes(2_000), {"max.message.bytes": "1048588"}, False),  # large enough for this prediction
        (TOO_LARGE, bytes(2_000), {}, False),  # many events may have such a key
        (TOO_LARGE, bytes(1_048_450), {}, True),
        (INVALID, None, {"cleanup.policy": "compact"}, True),
        (INVALID, None, {}, True),
        (INVALID, None, {"cleanup.policy": "delete"}, False),
        (INVALID, b"key", {"cleanup.policy": "compact"}, False),
        (KafkaError(KafkaError.INVALID_TIMESTAMP), b"key", {}, False),  # the timestamp is current
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), bytes(2_000_000), {}, False),
    ],
)
def test_a_prediction_is_at_fault_only_if_an_ordinary_one_would_be_accepted(
    error: KafkaError, key: bytes | None, config: dict[str, str], *, own: bool
) -> None:
    assert bool(Refusals(FixedLimits(config)).fault(error, prediction(key), ORDINARY)) is own


@pytest.mark.parametrize(
    ("error", "config", "advice"),
    [
        (TOO_LARGE, {"max.message.bytes": "100"}, "max.message.bytes is 100; set it to 459 or more"),
        (TOO_LARGE, {}, "max.message.bytes is too small"),
        (INVALID, {"cleanup.policy": "compact"}, "set cleanup.policy=delete"),
        (KafkaError(KafkaError.INVALID_TIMESTAMP), {}, "message.timestamp.difference.max.ms before Kafka 3.6"),
        (KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), {}, "`scorer check`"),
    ],
)
def test_a_fatal_refusal_names_the_record_and_the_property(
    error: KafkaError, config: dict[str, str], advice: str
) -> None:
    key = None if error is INVALID else b"key"
    text = str(Refusals(FixedLimits(config)).fatal(error, prediction(key), "the dead letter of in-0@17"))
    assert text.startswith(f"the brokers refused a write: {error.str()}: the dead letter of in-0@17 in topic scores; ")
    assert advice in text


def test_a_cut_dead_letter_lists_its_omissions_and_keeps_its_reason() -> None:
    headers = [("trace", bytes(KEPT_BYTES)), ("none", None), ("scorer.reason", b"too-large")]
    letter = Write(topic="dead", value=bytes(100_000), key=bytes(70_000), headers=list(headers), timestamp=7)
    short = cut(letter)
    assert (len(short["value"] or b""), len(short["key"] or b""), short["timestamp"]) == (KEPT_BYTES, KEPT_BYTES, 7)
    assert short["headers"] == [
        ("scorer.reason", b"too-large"),
        (CUT, b"value: the first 65536 of 100000 bytes; key: the first 65536 of 70000 bytes; headers: none of 2"),
    ]
    small = cut(Write(topic="dead", value=None, key=b"key", headers=list(headers[1:])))
    assert small["headers"] == [*headers[1:], (CUT, b"")]
