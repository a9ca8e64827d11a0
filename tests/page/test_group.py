"""A group seen from outside: by its offsets, and with what is missing said."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import Unavailable
from scorer.kafka import GroupLag
from scorer.kafka.brokers.admin import PartitionLag
from scorer.page.group import OffsetWatch, known_of, monitor_opener
from scorer.page.view import Offsets
from scorer.settings import Settings


def lag(*committed: int | None) -> GroupLag:
    """The lag of a group that has read so far of partitions with 100 events."""
    places = [
        PartitionLag("flights", number, at, 100, 100 - (at or 0), "a" if number == 0 else None, None)
        for number, at in enumerate(committed)
    ]
    return GroupLag("delays", "stable", places)


def settings(**groups: Any) -> Settings:
    topics = {"input_topics": ["flights"], "output_topic": "delays", "dead_letter_topic": "dead"}
    return Settings.model_validate(
        {
            "kafka": {"bootstrap_servers": "localhost:1", "group_id": "delays", **topics},
            "events": {"schema": Path("flight.avsc")},
            "model": {"path": "models/delays"},
            **groups,
        }
    )


def test_the_rate_is_what_was_committed_between_two_looks() -> None:
    watch = OffsetWatch(lag, lambda _: None, 1.0)
    first, second, third = (
        watch.offsets(lag(*at), now) for at, now in (((10, None), 5.0), ((30, 20), 7.0), ((0, 0), 8.0))
    )
    assert (first.rate, second.rate, third.rate) == (None, 20.0, 0.0)
    assert [(each.partition, each.lag, each.member) for each in second.partitions] == [(0, 70, "a"), (1, 80, "")]


def test_while_the_brokers_do_not_answer_the_offsets_are_unknown_and_come_back() -> None:
    away, taken = threading.Event(), list[Offsets | None]()
    away.set()

    def ask() -> GroupLag:
        if away.is_set():
            raise Unavailable("the brokers are away")
        return lag(5)

    watch = OffsetWatch(ask, taken.append, 0.01)
    watch.start()
    try:
        deadline = time.monotonic() + 30
        while not taken or taken[-1] is None:
            assert time.monotonic() < deadline
            if taken:
                away.clear()
            time.sleep(0.01)
    finally:
        watch.close()
    assert taken[0] is None
    assert taken[-1] is not None
    assert taken[-1].partitions[0].lag == 95


@pytest.mark.parametrize("part", ["replicas", "recent", "drift", "quality"])
def test_without_a_topic_every_part_that_needs_it_says_how_to_have_it(part: str) -> None:
    without, with_topic = settings(), settings(monitor={"topic": "delays.monitor"})
    assert "Set `monitor.topic`" in known_of(without, "delays").notes[part]
    assert "monitor.topic" not in known_of(with_topic, "delays").notes.get(part, "")
    assert (monitor_opener(without, "delays") is None, monitor_opener(with_topic, "delays") is None) == (True, False)


def test_explanations_say_how_to_turn_them_on() -> None:
    assert "predictions.explain" in known_of(settings(), "delays").notes["explanations"]
    explained = settings(predictions={"explain": {"top": 3}})
    assert "explanations" not in known_of(explained, "delays").notes
