"""The brokers as they are, and whether what we promise can rest on them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scorer.errors import Problem
from scorer.kafka.brokers.topics import Topic
from scorer.kafka.client import transaction_properties
from scorer.settings import KafkaSettings

SAFE_REPLICAS = 3  # one may be lost while another is restarted
SAFE_IN_SYNC = 2  # an acknowledged write then outlives the loss of a broker
OUTAGE_MS = 86_400_000  # a day, in which somebody notices


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers together.

    brokers: how many there are.
    config:  properties of one of them; empty where we may not read them.
    """

    brokers: int
    config: Mapping[str, str] = field(default_factory=dict)


def durability_concerns(cluster: Cluster, inputs: Iterable[Topic], outputs: Iterable[Topic]) -> list[str]:
    """Say, in a sentence each, how the brokers could lose events before they are read, or what they acknowledged.

    Args:
        cluster: which holds the topics.
        inputs: topics of the events.
        outputs: topics of the predictions and the dead letters.
    """
    inputs, outputs = list(inputs), list(outputs)
    concerns = [concern for topic in inputs for concern in _short(topic)]
    concerns += [concern for topic in outputs for concern in _thin(topic, cluster.brokers)]
    return concerns + [concern for topic in (*inputs, *outputs) for concern in _unclean(topic)]


def transaction_problems(kafka: KafkaSettings, cluster: Cluster) -> list[Problem]:
    """Return what the brokers would refuse of `delivery: exactly-once`."""
    longest = cluster.config.get("transaction.max.timeout.ms")
    if kafka.delivery != "exactly-once" or longest is None:
        return []
    chosen = int(str(transaction_properties(kafka)["transaction.timeout.ms"]))
    if chosen <= int(longest):
        return []
    where, what = "kafka.properties.transaction.timeout.ms", f"{chosen} is more than the brokers allow"
    return [Problem(where, what, f"{longest} (transaction.max.timeout.ms of the brokers) or less")]


def _short(topic: Topic) -> list[str]:
    retention = int(topic.config.get("retention.ms", -1))
    if not 0 <= retention < OUTAGE_MS:
        return []
    what = f"{topic.name}: retention.ms={retention} deletes events that were not read for {retention / 3_600_000:.3g} h"
    return [f"{what}, so a longer outage loses them; set it to {OUTAGE_MS} or more"]


def _thin(topic: Topic, brokers: int) -> list[str]:
    if brokers < SAFE_REPLICAS:
        return []
    if topic.replicas < SAFE_REPLICAS:
        count = f"{topic.replicas} replica{'s' * (topic.replicas != 1)}"
        what = f"{topic.name} has {count}, and the cluster {brokers} brokers"
        return [f"{what}: what was acknowledged goes with the disks that hold it; give it {SAFE_REPLICAS}"]
    in_sync = int(topic.config.get("min.insync.replicas", SAFE_IN_SYNC))
    if in_sync >= SAFE_IN_SYNC:
        return []
    what = f"{topic.name}: min.insync.replicas={in_sync} has a write acknowledged that one broker alone holds"
    return [f"{what}; set it to {SAFE_IN_SYNC}"]


def _unclean(topic: Topic) -> list[str]:
    if topic.config.get("unclean.leader.election.enable") != "true":
        return []
    what = f"{topic.name}: unclean.leader.election.enable=true lets a broker lead that lacks acknowledged records"
    return [f"{what}, which are then lost; set it to false"]
