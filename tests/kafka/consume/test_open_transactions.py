"""Events behind another producer's open transaction are reported, and a replica that waits for them stays ready."""

from typing import Any, cast

import pytest
from confluent_kafka import Producer
from structlog.testing import capture_logs

from scorer.kafka import AtLeastOnce, Checkpoint, Limits, Sink, Source
from scorer.kafka.consume import open_transactions
from scorer.kafka.consume.open_transactions import PATIENCE_SECONDS, OpenTransactions
from scorer.sandbox import Kafka
from scorer.settings import BatchSettings, KafkaSettings
from tests.conftest import MakeTopic
from tests.kafka.consume.test_source import Watcher, fill

OURS = {("in", 0), ("in", 1), ("in", 2), ("in", 3)}


def said(*partitions: dict[str, int], state: str = "UP") -> dict[str, Any]:
    """Statistics of partitions 0, 1, ..., of which everything readable has been read."""
    usual = {"broker": 1, "next_offset": 3, "ls_offset": 3, "hi_offset": 54}
    numbered = {str(number): usual | partition for number, partition in enumerate(partitions)}
    # The client's pseudo-partition for records without a partition.
    none = {"-1": usual | {"broker": -1, "ls_offset": -1001, "hi_offset": -1001}}
    return {
        "brokers": {"one": {"nodeid": 1, "state": state}, "bootstrap": {"nodeid": -1, "state": "INIT"}},
        "topics": {"in": {"partitions": numbered | none}},
    }


class Replica:
    """Receives statistics, and keeps the reported messages."""

    def __init__(self, isolation: str | None = None) -> None:
        self.now, self.told = 0.0, [""]
        self.transactions = OpenTransactions(isolation, self.told.append, lambda: self.now)

    def look(self, statistics: dict[str, Any], after: float = 0.0) -> str:
        self.now += after
        self.transactions.update(statistics, OURS)
        return self.told[-1]


def test_a_transaction_that_stays_open_is_reported() -> None:
    replica = Replica()
    assert not replica.look(said({}))
    assert not replica.look(said({}), after=PATIENCE_SECONDS - 1)
    told = replica.look(said({"hi_offset": 55}), after=1)
    assert "in-0 at offset 3, 52 records held back; find the producer with `kafka-transactions.sh find-hang" in told
    assert not replica.look(said({"next_offset": 60, "ls_offset": 60, "hi_offset": 60}), after=1)


def test_an_open_transaction_is_logged_once_at_its_start_and_once_at_its_end() -> None:
    replica = Replica()
    with capture_logs() as logged:
        for _ in range(30):
            replica.look(said({}, {"hi_offset": 4}), after=1)
        for _ in range(3):
            replica.look(said({"next_offset": 60, "ls_offset": 60, "hi_offset": 60}), after=1)
    begun, ended = logged
    assert (begun["log_level"], begun["topic"], begun["partition"], begun["offset"]) == ("warning", "in", 0, 3)
    assert (begun["waiting"], begun["partitions"]) == (52, 2)
    assert (ended["log_level"], ended["lasted_s"]) == ("info", 30.0)


@pytest.mark.parametrize(
    "partition",
    [
        {"hi_offset": 3},  # there is nothing beyond
        {"next_offset": 2},  # there is still something to fetch
        {"ls_offset": -1001},  # not known yet
    ],
)
def test_a_partition_with_records_to_read_or_none_at_all_does_not_wait(partition: dict[str, int]) -> None:
    replica = Replica()
    assert not any(replica.look(said(partition), after=PATIENCE_SECONDS) for _ in range(3))


def test_short_transactions_are_not_reported() -> None:
    replica = Replica()
    for offset in range(10):
        assert not replica.look(said({"next_offset": offset, "ls_offset": offset}), after=PATIENCE_SECONDS - 1)


def test_partitions_of_other_replicas_are_ignored() -> None:
    replica = Replica()
    others: list[dict[str, int]] = [{}, {}, {}, {}, {}]
    for _ in range(3):
        told = replica.look(said(*others), after=PATIENCE_SECONDS)
    assert "in-2 at offset 3, 51 records held back and 1 more partitions; find" in told


def test_an_unavailable_broker_neither_ends_nor_begins_a_wait() -> None:
    replica = Replica()
    for _ in range(3):
        assert not replica.look(said({}, state="DOWN"), after=PATIENCE_SECONDS)
    replica.look(said({}))
    assert replica.look(said({}), after=PATIENCE_SECONDS)
    assert replica.look(said({}, state="DOWN"), after=1)


def test_a_read_uncommitted_consumer_never_waits() -> None:
    replica = Replica("read_uncommitted")
    assert not any(replica.look(said({}), after=PATIENCE_SECONDS) for _ in range(3))


def test_a_source_reports_an_open_transaction_and_its_end(
    kafka: Kafka, make_topic: MakeTopic, kafka_settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_transactions, "PATIENCE_SECONDS", 0.0)
    topic, told = make_topic(), [""]
    fill(kafka, topic, [b"before"] * 3)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(topic, b"open")
    producer.flush()
    fill(kafka, topic, [b"after"] * 50)
    chosen = kafka_settings.model_copy(update={"input_topics": (topic,)})
    source = Source(chosen, BatchSettings(), Watcher(), lambda _: None, told.append)
    source.subscribe(AtLeastOnce(cast("Sink", None), Checkpoint(source.commits, Limits(4), lambda _: None)))
    try:
        for waits in (True, False):
            for _ in range(300):
                source.poll()
                if bool(told[-1]) is waits:
                    break
            assert (f"{topic}-0 at offset 3, 51 records held back" in told[-1]) is waits
            if waits:
                producer.abort_transaction(60)
    finally:
        source.close(5)
