"""A named replica rejoins its group if partitions have no owner, and only then."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from scorer.kafka.brokers.groups import GroupDescription
from scorer.kafka.consume.unowned import Unowned
from scorer.kafka.offsets import Partition
from scorer.settings import KafkaSettings
from tests.kafka.conftest import settings

ZERO, ONE = ("in", 0), ("in", 1)


def group(*owned: Partition, state: str = "stable") -> GroupDescription:
    return GroupDescription(state, frozenset(), dict.fromkeys(owned, ("a", "localhost")), {"in": 2})


def named(**properties: str) -> KafkaSettings:
    return settings("localhost:9", **properties).model_copy(update={"instance_id": "a", "input_topics": ("in",)})


class Brokers:
    """Returns one answer after another, and then repeats the last one."""

    def __init__(self, *answers: GroupDescription | Exception) -> None:
        self._answers, self.asked = list(answers), 0

    def describe(self, *_: Any, **__: Any) -> GroupDescription:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def watching(brokers: Brokers, kafka: KafkaSettings | None = None, patience: float = 0.05) -> Unowned:
    unowned = Unowned(kafka or named(), brokers.describe, 0.01, patience)
    unowned.watch()
    unowned.watch()
    return unowned


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_partitions_that_stay_unowned_are_a_reason_to_rejoin() -> None:
    brokers = Brokers(*[group(ONE)] * 8, group(ZERO, ONE))
    with capture_logs() as logs:
        unowned = watching(brokers)
        until(unowned.found)
    assert logs[0]["partitions"] == "in-0"
    assert not unowned.found(), "once is enough"
    until(lambda: brokers.asked >= 9)


def test_a_group_without_unowned_partitions_is_described_once() -> None:
    brokers = Brokers(group(ZERO, ONE))
    unowned = watching(brokers)
    time.sleep(0.2)
    assert brokers.asked == 1
    assert not unowned.found()


@pytest.mark.parametrize(
    "unknown",
    [group(state="preparing_rebalance"), KafkaException(KafkaError(KafkaError._TRANSPORT))],
    ids=["rebalancing", "no answer"],
)
def test_there_is_no_reason_to_rejoin_while_the_owners_are_unknown(unknown: GroupDescription | Exception) -> None:
    unowned = watching(Brokers(unknown), patience=0.0)
    time.sleep(0.2)
    assert not unowned.found()


@pytest.mark.parametrize(
    "kafka", [named(group_protocol="consumer"), settings("localhost:9")], ids=["consumer protocol", "no name"]
)
def test_the_group_is_not_described_if_no_partition_can_be_unowned(kafka: KafkaSettings) -> None:
    brokers = Brokers(group())
    watching(brokers, kafka)
    time.sleep(0.05)
    assert brokers.asked == 0
