"""What can be found wrong with a replica's clients before there is a broker to ask."""

from confluent_kafka import Consumer, Producer

from scorer.errors import Misconfigured, Problem
from scorer.kafka.client import consumer_properties, producer_properties, transaction_properties
from scorer.kafka.connect import connect
from scorer.settings import BatchSettings, KafkaSettings

SILENT = {"log_level": 0}


def property_problems(kafka: KafkaSettings, batch: BatchSettings) -> list[Problem]:
    """Make the clients that a replica makes, and return what librdkafka says against their properties, each once."""
    writes = transaction_properties if kafka.delivery == "exactly-once" else producer_properties
    problems: dict[Problem, None] = {}
    for client, properties in ((Consumer, consumer_properties(kafka, batch)), (Producer, writes(kafka))):
        try:
            connect(client, SILENT | properties)
        except Misconfigured as error:
            problems |= dict.fromkeys(error.problems)
    return list(problems)


def membership_concerns(kafka: KafkaSettings) -> list[str]:
    """Say how a replica may fail to come back to its group."""
    if kafka.instance_id is None or kafka.properties.get("group.protocol") != "consumer":
        return []
    what = f"kafka.instance_id={kafka.instance_id} with group.protocol=consumer"
    then = "after a crash the brokers refuse this replica until its old session has ended, 45 seconds by default"
    return [f"{what}: {then}; leave kafka.instance_id out, or use group.protocol=classic"]
