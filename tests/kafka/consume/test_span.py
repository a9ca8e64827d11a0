"""A consumer of a span returns nothing beyond it, and commits where it ends."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scorer.batch import Records
from scorer.kafka.consume.span import SpanSource
from scorer.settings import BatchSettings, KafkaSettings

KAFKA = KafkaSettings(
    bootstrap_servers="localhost:9",
    group_id="g",
    input_topics=("t",),
    output_topic="o",
    dead_letter_topic="d",
)


def records(*places: tuple[int, int]) -> Records:
    """Return records of some partitions and offsets."""
    numbered = Records.of([b"x"] * len(places), 0, originals=[None] * len(places))
    partition, offset = (np.array(column) for column in zip(*places, strict=True))
    return replace(
        numbered,
        topics=("t",),
        topic=np.zeros(len(places), np.int32),
        partition=partition.astype(np.int32),
        offset=offset.astype(np.int64),
    )


@pytest.fixture
def source() -> SpanSource:
    nobody: Any = SimpleNamespace(deleted=None)
    made = SpanSource({("t", 0): 5, ("t", 1): 2}, KAFKA, BatchSettings(), nobody, lambda _: None)
    consumer: Any = SimpleNamespace(pause=lambda _: None, resume=lambda _: None)
    made._consumer = consumer
    return made


def test_records_beyond_the_end_are_dropped(source: SpanSource) -> None:
    batch = records((0, 3), (1, 1), (0, 4), (1, 2), (0, 5), (2, 0))
    kept = source._within(batch)
    assert kept is not None
    assert list(zip(kept.partition.tolist(), kept.offset.tolist(), strict=True)) == [(0, 3), (1, 1), (0, 4)]
    assert source._within(records((0, 6), (2, 1))) is None
    assert source._within(None) is None


def test_an_end_is_committed_after_what_was_returned_before_it(source: SpanSource) -> None:
    committed: dict[Any, int] = {}
    delivery: Any = SimpleNamespace(advance=committed.update)
    source._delivery = delivery
    source._within(records((0, 2)))
    source._settle()
    assert committed == {}, "there may be more before the end"
    source._within(records((0, 7), (2, 0)))  # the offsets 3 and 4 have no record
    source._settle()
    assert committed == {("t", 0): 5}
    source._within(records((1, 1)))
    source._settle()
    assert committed == {("t", 0): 5, ("t", 1): 2}, "its last record shows the end"


def test_a_partition_that_went_to_another_is_not_over(source: SpanSource) -> None:
    source._within(records((0, 5)))
    assert source._is_over(("t", 0))
    observer: Any = SimpleNamespace(rebalance=lambda _: None, forget=lambda *_: None)
    source._observer = observer
    place: Any = SimpleNamespace(topic="t", partition=0)
    source._remove("lost", [place])
    assert not source._is_over(("t", 0))
