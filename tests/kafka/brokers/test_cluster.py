import pytest

from scorer.kafka import Admin, Cluster, Topic, durability_concerns, transaction_problems
from scorer.settings import KafkaSettings

THREE = Cluster(3, {"transaction.max.timeout.ms": "900000"})
SAFE = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false", "retention.ms": "86400000"}


def test_safe_topics_cause_no_warning() -> None:
    inputs = [Topic("in", 4, 3, SAFE), Topic("kept", 4, 3, {"retention.ms": "-1"}), Topic("secret", 4, 3)]
    assert durability_concerns(THREE, inputs, [Topic("out", 4, 3, SAFE), Topic("secret", 4, 5)]) == []


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (Topic("out", 4, 1, SAFE), "out has only 1 replica, though the cluster has 3 brokers"),
        (Topic("out", 4, 2, SAFE), "out has only 2 replicas, though the cluster has 3 brokers"),
        (Topic("out", 4, 3, SAFE | {"min.insync.replicas": "1"}), "out: min.insync.replicas=1"),
        (Topic("out", 4, 3, SAFE | {"unclean.leader.election.enable": "true"}), "out: unclean.leader.election.enable"),
    ],
)
def test_an_output_that_could_lose_acknowledged_writes_is_a_concern(topic: Topic, said: str) -> None:
    (concern,) = durability_concerns(THREE, [], [topic])
    assert concern.startswith(said)


def test_few_topic_replicas_are_no_concern_in_a_small_cluster() -> None:
    assert durability_concerns(Cluster(2), [], [Topic("out", 4, 1, SAFE | {"min.insync.replicas": "1"})]) == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"retention.ms": "86399999"}, "in: retention.ms=86399999 deletes events after 24 h, read or not"),
        ({"retention.ms": "5400000"}, "in: retention.ms=5400000 deletes events after 1.5 h, read or not"),
        ({"unclean.leader.election.enable": "true"}, "in: unclean.leader.election.enable"),
    ],
)
def test_an_input_that_could_lose_events_before_they_are_read_is_a_concern(config: dict[str, str], said: str) -> None:
    (concern,) = durability_concerns(Cluster(1), [Topic("in", 4, 1, SAFE | config)], [])
    assert concern.startswith(said)


@pytest.mark.parametrize(("timeout", "problems"), [("900000", 0), ("900001", 1)])
def test_a_transaction_timeout_above_that_of_the_brokers_is_a_problem(timeout: str, problems: int) -> None:
    kafka = KafkaSettings(
        bootstrap_servers="none:1",
        group_id="g",
        input_topics=("in",),
        output_topic="out",
        dead_letter_topic="dead",
        delivery="exactly-once",
        properties={"transaction.timeout.ms": timeout},
    )
    assert len(transaction_problems(kafka, THREE)) == problems
    assert transaction_problems(kafka, Cluster(3)) == []
    assert transaction_problems(kafka.model_copy(update={"delivery": "at-least-once"}), THREE) == []


def test_a_real_cluster_is_described(kafka_settings: KafkaSettings) -> None:
    config = {"transaction.max.timeout.ms": "900000", "socket.request.max.bytes": "104857600"}
    assert Admin(kafka_settings).cluster() == Cluster(1, config)
