"""What goes to Kafka beside the answers: each row with a source of its own, and nobody waits for it."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client import CollectorRegistry

from scorer.avro import Encoder
from scorer.batch import Payloads, Records
from scorer.rest import publishing
from scorer.rest.publishing import Beside, Numbers, Publisher, PublishMetrics
from tests.replica.test_capturing import outcome

if TYPE_CHECKING:
    from scorer.kafka import SpareWriter


class Writer:
    """Writes when it is allowed to."""

    def __init__(self) -> None:
        self.rows, self.entered, self.allowed, self.closed = 0, threading.Event(), threading.Event(), 0.0

    def write(self, payloads: Payloads, _: Sequence[bytes | None]) -> None:
        self.entered.set()
        assert self.allowed.wait(60)
        self.rows += len(payloads.rows)

    def poll(self) -> None:
        pass

    def close(self, seconds: float) -> None:
        self.closed = seconds


class Shadow:
    """Keeps what it is offered."""

    def __init__(self) -> None:
        self.offered: list[Records] = []

    def offer(self, records: Records) -> None:
        self.offered.append(records)


def test_each_row_has_a_source_of_its_own() -> None:
    numbers = Numbers(lambda: 1_000)
    first, second = numbers.placed(Records.of([b"a", b"b"])), numbers.placed(Records.of([b"c"]))
    assert [*first.offset.tolist(), *second.offset.tolist()] == [1_000, 1_001, 1_002]
    assert (first.topics, first.topic.tolist(), first.partition.tolist()) == (("",), [0, 0], [-1, -1])


def test_a_shadow_and_the_topic_get_the_same_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the predictions of both can be compared."""
    taken, shadow = list[tuple[Records, object]](), Shadow()
    publisher = Publisher(cast("SpareWriter", Writer()), Encoder(b""), PublishMetrics(CollectorRegistry()))
    monkeypatch.setattr(publisher, "offer", lambda *each: taken.append(each))
    records, scored = outcome(3)
    Beside(publisher).scored(records, scored, [shadow])
    ((published, _),) = taken
    assert published.offset.tolist() == shadow.offered[0].offset.tolist()


def test_nobody_waits_for_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no room is dropped and counted; a stop writes what is left."""
    monkeypatch.setattr(publishing, "WAITING", 2)
    writer, registry = Writer(), CollectorRegistry()
    metrics = PublishMetrics(registry)
    publisher = Publisher(cast("SpareWriter", writer), Encoder(b""), metrics)
    publisher.start()
    publisher.offer(*outcome(5))
    assert writer.entered.wait(60)
    for _ in range(4):
        publisher.offer(*outcome(3))
    assert registry.get_sample_value("scorer_published_total", {"result": "dropped"}) == 6
    writer.allowed.set()
    publisher.close(60)
    assert writer.rows == 5 + 3 + 3
    assert writer.closed > 0


def test_what_a_stop_leaves_is_counted() -> None:
    """The thread may be held up until the deadline: the batches behind it are dropped, and the metric says so."""
    writer, registry = Writer(), CollectorRegistry()
    publisher = Publisher(cast("SpareWriter", writer), Encoder(b""), PublishMetrics(registry))
    publisher.start()
    publisher.offer(*outcome(5))
    assert writer.entered.wait(60)
    for _ in range(4):
        publisher.offer(*outcome(3))
    publisher.close(0)
    assert registry.get_sample_value("scorer_published_total", {"result": "dropped"}) == 12
    writer.allowed.set()
