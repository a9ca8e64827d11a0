"""The brokers, and whether their configuration supports the guarantees."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scorer.errors import Problem
from scorer.kafka.brokers.topics import Topic
from scorer.kafka.client import transaction_properties
from scorer.settings import KafkaSettings

SAFE_REPLICAS = 3  # one may be lost while another restarts
SAFE_IN_SYNC = 2  # an acknowledged write then survives the loss of a broker
OUTAGE_MS = 86_400_000  # a day, within which an outage should be noticed


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers of a cluster.

    brokers: how many there are.
    config:  the properties of one broker; empty if the user may not read them.
    """

    brokers: int
    config: Mapping[str, str] = field(default_factory=dict)


def durability_concerns(cluster: Cluster, inputs: Iterable[Topic], outputs: Iterable[Topic]) -> list[str]:
    """Return warnings about how the brokers could lose unread events or acknowledged writes.

    Args:
        cluster: the cluster with the topics.
        inputs: the topics of the events.
        outputs: the topics of the predictions and the dead letters.
    """
    inputs, outputs = list(inputs), list(outputs)
    concerns = [concern for topic in inputs for concern in _short(topic)]
    concerns += [concern for topic in outputs for concern in _thin(topic, cluster.brokers)]
    return concerns + [concern for topic in (*inputs, *outputs) for concern in _unclean(topic)]


def transaction_problems(kafka: KafkaSettings, cluster: Cluster) -> list[Problem]:
    """Return a problem if the brokers would refuse the transactions of `delivery: exactly-once`."""
    longest = cluster.config.get("transaction.max.timeout.ms")
    if kafka.delivery != "exactly-once" or longest is None:
        return []
    chosen = int(str(transaction_properties(kafka)["transaction.timeout.ms"]))
    if chosen <= int(longest):
        return []
    where, what = "kafka.properties.transaction.timeout.ms", f"{chosen} is more than the brokers allow"
    return [Problem(where, what, f"expected at most {longest} (transaction.max.timeout.ms of the brokers)")]


def _short(topic: Topic) -> list[str]:
    retention = int(topic.config.get("retention.ms", -1))
    if not 0 <= retention < OUTAGE_MS:
        return []
    what = f"{topic.name}: retention.ms={retention} deletes events after {retention / 3_600_000:.3g} h, read or not"
    return [f"{what}, so a longer outage loses events; set it to {OUTAGE_MS} or more"]


def _thin(topic: Topic, brokers: int) -> list[str]:
    if brokers < SAFE_REPLICAS:
        return []
    if topic.replicas < SAFE_REPLICAS:
        count = f"{topic.replicas} replica{'s' * (topic.replicas != 1)}"
        what = f"{topic.name} has only {count}, though the cluster has {brokers} brokers"
        return [f"{what}: acknowledged records are lost with the disks that hold them; give it {SAFE_REPLICAS}"]
    in_sync = int(topic.config.get("min.insync.replicas", SAFE_IN_SYNC))
    if in_sync >= SAFE_IN_SYNC:
        return []
    what = f"{topic.name}: min.insync.replicas={in_sync} allows a write to be acknowledged that only one broker has"
    return [f"{what}; set it to {SAFE_IN_SYNC}"]


def _unclean(topic: Topic) -> list[str]:
    if topic.config.get("unclean.leader.election.enable") != "true":
        return []
    what = f"{topic.name}: unclean.leader.election.enable=true allows a leader that lacks acknowledged records"
    return [f"{what}, which are then lost; set it to false"]
