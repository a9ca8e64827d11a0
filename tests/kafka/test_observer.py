"""What observers hear of commits, from either kind of delivery."""

from typing import Any, cast

from confluent_kafka import KafkaError, TopicPartition

from scorer.kafka.delivery.commits import Commits
from scorer.kafka.observer import Observer, Observers


class Notes:
    """Notes every call."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *words: self.heard.append((name, words[0] if len(words) == 1 else words))


def notes() -> tuple[Notes, Observer]:
    made = Notes()
    return made, cast("Observer", made)


def test_confirmed_offsets_are_told_and_refused_ones_are_not() -> None:
    heard, observer = notes()
    commits = Commits(cast("Any", None), observer)
    partitions = [TopicPartition("in", 0, 7), TopicPartition("in", 3, 9)]
    assert commits.result(None, partitions)
    assert heard.heard == [("committed", "ok"), ("confirmed", {("in", 0): 7, ("in", 3): 9})]
    heard.heard.clear()
    assert not commits.result(KafkaError(KafkaError.ILLEGAL_GENERATION), partitions)
    assert not commits.result(KafkaError(KafkaError._TIMED_OUT), partitions)
    assert [name for name, _ in heard.heard] == ["committed", "committed"]


def test_several_observers_hear_everything_in_their_order() -> None:
    (one, first), (two, second) = notes(), notes()
    both = Observers([first, second])
    both.committed("ok")
    both.confirmed({("in", 0): 7})
    both.rebalance("lost")
    both.lag("in", 0, 5)
    both.forget("in", 0)
    both.deleted("in", 0, 2)
    assert one.heard == two.heard
    assert [name for name, _ in one.heard] == ["committed", "confirmed", "rebalance", "lag", "forget", "deleted"]
    assert one.heard[3][1] == ("in", 0, 5)
