"""The rights that a replica needs at the brokers, which of them its user lacks, and what to grant."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]  # exported, though not as mypy asks for

from scorer.errors import Misconfigured, ScorerError
from scorer.kafka.brokers.cluster import Cluster
from scorer.kafka.brokers.grants import Grants, Operations, takes_idempotent_writes, takes_transactions
from scorer.kafka.brokers.right import IDEMPOTENCE, Right, principal, to_begin, to_join, to_read, to_write
from scorer.kafka.client import given
from scorer.settings import KafkaSettings

TRY_SECONDS = 10.0

_FOR_GUARDS = "without it, this replica guards no canary"
_TO_TELL, _TO_HEAR = "without it, this replica tells nothing", "without it, nobody sees what replicas tell"


@dataclass(frozen=True, slots=True)
class Rights:
    """The result of checking the rights of a replica's user.

    missing:  a sentence for each right that `run` needs and the user lacks, or that could not be checked.
    concerns: sentences about the rights that only `check` and guards need.
    hidden:   topics that the brokers hide from this user, including whether they exist.
    """

    missing: list[str]
    concerns: list[str]
    hidden: frozenset[str]


def examine_rights(
    kafka: KafkaSettings,
    cluster: Cluster,
    seconds: float = TRY_SECONDS,
    monitor: str | None = None,
    written: Sequence[str] = (),
) -> Rights:
    """Compare the rights of the configured user with those that `run` needs.

    Args:
        kafka: the settings, with the login and the topics.
        cluster: the brokers.
        seconds: the timeout of each request.
        monitor: the monitor topic, if there is one.
        written: further topics that replicas write to.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the brokers refuse a request.
    """
    grants = Grants(kafka, seconds)
    control, monitors = ([each] if each else [] for each in (kafka.control_topic, monitor))
    ours = [*kafka.input_topics, kafka.output_topic, kafka.dead_letter_topic, *written]
    found = grants.on_topics([*ours, *control, *monitors])
    topics = {name: allowed for name, allowed in found.items() if name not in monitors}
    lacks = [*_on_topics(kafka, topics), *_on_group(kafka, grants.on_group(kafka.group_id))]
    failed = []
    try:
        lacks += _to_write(kafka, cluster, seconds, may_write=all(right.operation != "Write" for right in lacks))
    except Misconfigured:  # properties of the producer are wrong, which `property_problems` reports
        pass
    except ScorerError as error:
        failed.append(str(error))
    user = principal(given(kafka))
    unguarded = [to_write(name) for name in control if name in topics and AclOperation.WRITE not in topics[name]]
    concerns = [f"{right.lacking(user, kafka.bootstrap_servers)}; {_FOR_GUARDS}" for right in unguarded]
    for name in monitors:
        for asked, right, why in (
            (AclOperation.WRITE, to_write(name), _TO_TELL),
            (AclOperation.READ, to_read(name), _TO_HEAR),
        ):
            if name in found and asked not in found[name]:  # it is not there, which others say
                concerns.append(f"{right.lacking(user, kafka.bootstrap_servers)}; {why}")
    return Rights(
        missing=[right.lacking(user, kafka.bootstrap_servers) for right in lacks] + failed,
        concerns=concerns
        + _unseen(name for name, allowed in found.items() if AclOperation.DESCRIBE_CONFIGS not in allowed),
        hidden=frozenset(name for name, allowed in found.items() if not allowed),
    )


def _on_topics(kafka: KafkaSettings, topics: Mapping[str, Operations]) -> Iterator[Right]:
    for name, allowed in topics.items():
        is_read = name in kafka.input_topics or name == kafka.control_topic  # commands write to the latter
        if is_read and AclOperation.READ not in allowed:
            yield to_read(name)
        if not is_read and AclOperation.WRITE not in allowed:
            yield to_write(name)


def _on_group(kafka: KafkaSettings, allowed: Operations | None) -> Iterator[Right]:
    if allowed is not None and AclOperation.READ not in allowed:
        yield to_join(kafka.group_id)


def _to_write(kafka: KafkaSettings, cluster: Cluster, seconds: float, *, may_write: bool) -> Iterator[Right]:
    if kafka.delivery == "exactly-once":
        if not takes_transactions(kafka, cluster, seconds):
            yield to_begin(kafka.group_id)
    # Since Kafka 2.8 the right to write to any topic is enough, so without that right this cannot be checked yet.
    elif may_write and not takes_idempotent_writes(kafka, seconds):
        yield IDEMPOTENCE


def _unseen(topics: Iterable[str]) -> list[str]:
    names = ", ".join(topics)
    what = "which no replica needs: without it, retention and size limits are not checked"
    return [f"grant DESCRIBE_CONFIGS on {names} for this check, {what}"] if names else []
