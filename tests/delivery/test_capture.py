"""Captured rows on a real broker: what the booster saw, each once in transactions."""

from typing import Any

import numpy as np
import pytest
from confluent_kafka.cimpl import NewTopic

from scorer.avro import CapturedRow, read_capture
from tests.delivery.conftest import MakeWorld
from tests.delivery.world import World, amount, card, known
from tests.kafka.ends import wait_for_leaders

EVENTS = 2_000


def capturing(make_world: MakeWorld, sample: float, **settings: Any) -> tuple[World, str]:
    """Return a world, and the topic of its capture."""
    world = make_world(monitor__capture={"topic": "to-be-replaced", "sample": sample}, **settings)
    topic = f"{world.output}.capture"
    file = world.folder / "scorer.yaml"
    file.write_text(file.read_text().replace("to-be-replaced", topic))
    world.admin.create_topics([NewTopic(topic, world.partitions)])[topic].result()
    wait_for_leaders(world.bootstrap, topic, world.partitions)
    return world, topic


def rows_of(world: World, topic: str) -> list[CapturedRow]:
    return [read_capture(message.value() or b"") for message in world.read(topic)]


def check(world: World, rows: list[CapturedRow], sample: float) -> None:
    """Each row is what numpy makes of its event."""
    for row in rows:
        number = int(row.event_id.decode().removeprefix("payment-"))
        spend = float(card(number) or 0) * 3 if known(number) else np.nan
        assert row.row.tobytes() == np.array([amount(number), spend], np.float32).tobytes()
        assert (row.columns, row.version, row.arm, row.sample) == (("amount", "spend"), "1", "champion", sample)
    assert world.ledger().predictions


@pytest.mark.prove
def test_a_sample_of_the_rows_is_captured(make_world: MakeWorld) -> None:
    world, topic = capturing(make_world, 0.2)
    world.send(list(range(EVENTS)))
    replica = world.start()
    world.wait_committed()
    assert world.stop(replica) == 0
    rows = rows_of(world, topic)
    check(world, rows, 0.2)
    assert len({row.event_id for row in rows}) == len(rows)
    assert 0.15 * EVENTS < len(rows) < 0.25 * EVENTS


@pytest.mark.prove
def test_in_transactions_each_row_is_captured_once_though_replicas_are_killed(make_world: MakeWorld) -> None:
    world, topic = capturing(make_world, 1.0, kafka__delivery="exactly-once")
    world.send(list(range(10 * EVENTS)))
    for _ in range(2):
        world.kill_at_work(world.start())
    replica = world.start()
    world.wait_committed()
    assert world.stop(replica) == 0
    world.verify()
    rows = rows_of(world, topic)
    check(world, rows, 1.0)
    assert sorted(row.event_id for row in rows) == sorted(f"payment-{number}".encode() for number in range(10 * EVENTS))


@pytest.mark.prove
def test_a_topic_that_refuses_rows_delays_no_prediction(make_world: MakeWorld) -> None:
    world, topic = capturing(make_world, 1.0, kafka__delivery="exactly-once")
    world.refuse(topic)
    world.send(list(range(EVENTS)))
    replica = world.start()
    world.wait_committed()
    assert world.stop(replica) == 0
    world.verify()
    assert rows_of(world, topic) == []
    assert "captured rows are refused and dropped" in world.log()
