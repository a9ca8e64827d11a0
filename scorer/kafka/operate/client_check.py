"""Checks of a replica's Kafka clients that need no broker."""

from functools import partial

from confluent_kafka import Consumer, Producer

from scorer.errors import Misconfigured, Problem
from scorer.kafka.client import consumer_properties, producer_properties, transaction_properties
from scorer.kafka.connect import connect
from scorer.settings import BatchSettings, KafkaSettings

SILENT = {"log_level": 0}


def property_problems(kafka: KafkaSettings, batch: BatchSettings) -> list[Problem]:
    """Create the clients of a replica, and return librdkafka's objections to their properties, without duplicates."""
    writes = transaction_properties if kafka.delivery == "exactly-once" else producer_properties
    problems: dict[Problem, None] = {}
    for client, properties in (
        (Consumer, partial(consumer_properties, kafka, batch)),
        (Producer, partial(writes, kafka)),
    ):
        try:
            connect(client, SILENT | properties())
        except Misconfigured as error:
            problems |= dict.fromkeys(error.problems)
    return list(problems)


def membership_concerns(kafka: KafkaSettings) -> list[str]:
    """Return a warning if a replica may not be able to rejoin its group after a crash."""
    if kafka.instance_id is None or kafka.properties.get("group.protocol") != "consumer":
        return []
    what = f"kafka.instance_id={kafka.instance_id} with group.protocol=consumer"
    then = "after a crash the brokers refuse this replica until its old session has ended, 45 seconds by default"
    return [f"{what}: {then}; remove kafka.instance_id, or use group.protocol=classic"]
