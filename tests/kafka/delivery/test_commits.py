"""Commits on a real broker."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, TopicPartition

from scorer.kafka.delivery.commits import Commits
from scorer.monitor import Metrics
from scorer.settings import KafkaSettings
from tests.conftest import MakeTopic

PATIENCE_SECONDS = 60.0


@contextmanager
def member(kafka: KafkaSettings) -> Iterator[Consumer]:
    consumer = Consumer({
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": kafka.group_id,
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": False,
    })  # fmt: skip
    try:
        yield consumer
    finally:
        consumer.close()


def test_written_batches_are_committed_before_their_partition_is_revoked(
    kafka_settings: KafkaSettings, make_topic: MakeTopic
) -> None:
    topic, done = make_topic(partitions=2), []
    with member(kafka_settings) as first, member(kafka_settings) as second:

        def revoked(_: Consumer, partitions: list[TopicPartition]) -> None:
            offsets = {(topic, partition.partition): 7 for partition in partitions}
            done.append(Commits(first, Metrics(())).finish(offsets, math.inf))

        first.subscribe([topic], on_revoke=revoked)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not done and time.monotonic() < deadline:
            first.poll(0.1)
            if len(first.assignment()) == 2:
                second.subscribe([topic])
            second.poll(0.1)
        assert done == [True]
        gone = ({0, 1} - {partition.partition for partition in first.assignment()}).pop()
        (committed,) = first.committed([TopicPartition(topic, gone)], PATIENCE_SECONDS)
        assert committed.offset == 7
