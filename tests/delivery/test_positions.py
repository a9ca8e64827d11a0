"""Replicas behind transactional producers, and records without a timestamp."""

import pytest
from confluent_kafka import Producer

from tests.delivery.conftest import MakeWorld
from tests.delivery.world import World, body


def abort(world: World, records: int) -> None:
    """Write events to each partition in a transaction, and abort it."""
    producer = Producer({"bootstrap.servers": world.bootstrap, "transactional.id": world.input})
    producer.init_transactions(60)
    producer.begin_transaction()
    for number in range(records):
        for partition in range(world.partitions):
            producer.produce(world.input, body(number), partition=partition)
    producer.flush()
    producer.abort_transaction(60)


@pytest.mark.prove
def test_the_lag_after_an_aborted_transaction_reaches_0(world: World) -> None:
    abort(world, 25)  # so that the group starts with records that cannot be read
    replica = world.start()
    world.wait_committed()
    world.send(list(range(20)))
    world.wait_committed()
    abort(world, 25)
    world.wait_committed()
    world.send(list(range(20, 30)))
    world.wait_committed()
    assert world.stop(replica) == 0
    assert world.verify().repeated == 0


def test_an_event_without_a_timestamp_gets_the_time_of_scoring(make_world: MakeWorld) -> None:
    world = make_world(partitions=1)
    world.send([1, b"no event"], timestamp=-1)
    replica = world.start()
    world.wait(2)
    assert world.stop(replica) == 0
    ledger = world.verify()
    ((prediction,),) = ledger.predictions.values()
    assert prediction["event_time"] == prediction["scored_at"]
    ((letter,),) = ledger.dead_letters.values()
    assert letter.timestamp()[1] == -1, "a dead letter is as its event was"
