"""The rights that a replica needs at the brokers, which of them its user lacks, and what to grant."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]  # exported, though not as mypy asks for

from scorer.errors import Misconfigured, ScorerError
from scorer.kafka.brokers.cluster import Cluster
from scorer.kafka.operate.grants import Grants, Operations, takes_idempotent_writes, takes_transactions
from scorer.settings import KafkaSettings

TRY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Right:
    """One operation on one resource.

    operation: its name in `kafka-acls`, such as `Read`.
    resource:  the type of the resource, such as `topic`.
    name:      the name of the resource; empty for the cluster.
    use:       what the right is needed for, as the words after "may not".
    prefixed:  whether the right is needed for every name with this prefix.
    """

    operation: str
    resource: str
    name: str
    use: str
    prefixed: bool = False

    def lacking(self, user: str, servers: str) -> str:
        """Return a sentence that says that a user lacks the right, with the command that grants it."""
        name = f" {self.name}{'*' if self.prefixed else ''}" if self.name else ""
        command = ["kafka-acls", "--bootstrap-server", servers, "--add", "--allow-principal", user or "User:NAME"]
        command += ["--operation", self.operation, f"--{self.resource.replace(' ', '-')}"]
        command += [self.name] if self.name else []
        command += ["--resource-pattern-type", "prefixed"] if self.prefixed else []
        return (
            f"kafka: {user or 'this user'} may not {self.use}; grant {self.operation.upper()} on {self.resource}{name}"
            f" and see that nothing denies it: `{shlex.join(command)}`"
        )


@dataclass(frozen=True, slots=True)
class Rights:
    """The result of checking the rights of a replica's user.

    missing:  a sentence for each right that `run` needs and the user lacks, or that could not be checked.
    concerns: a sentence about the rights that only `check` needs.
    hidden:   topics that the brokers hide from this user, including whether they exist.
    """

    missing: list[str]
    concerns: list[str]
    hidden: frozenset[str]


def examine_rights(kafka: KafkaSettings, cluster: Cluster, seconds: float = TRY_SECONDS) -> Rights:
    """Compare the rights of the configured user with those that `run` needs.

    Args:
        kafka: the settings, with the login and the topics.
        cluster: the brokers.
        seconds: the timeout of each request.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the brokers refuse a request.
    """
    grants = Grants(kafka, seconds)
    topics = grants.on_topics([*kafka.input_topics, kafka.output_topic, kafka.dead_letter_topic])
    lacks = [*_on_topics(kafka, topics), *_on_group(kafka, grants.on_group(kafka.group_id))]
    failed = []
    try:
        lacks += _to_write(kafka, cluster, seconds, may_write=all(right.operation != "Write" for right in lacks))
    except Misconfigured:  # properties of the producer are wrong, which `property_problems` reports
        pass
    except ScorerError as error:
        failed.append(str(error))
    user = _principal(kafka.properties)
    return Rights(
        missing=[right.lacking(user, kafka.bootstrap_servers) for right in lacks] + failed,
        concerns=_unseen(name for name, allowed in topics.items() if AclOperation.DESCRIBE_CONFIGS not in allowed),
        hidden=frozenset(name for name, allowed in topics.items() if not allowed),
    )


def _on_topics(kafka: KafkaSettings, topics: Mapping[str, Operations]) -> Iterator[Right]:
    for name, allowed in topics.items():
        if name in kafka.input_topics and AclOperation.READ not in allowed:
            yield Right("Read", "topic", name, f"read topic {name}")
        if name not in kafka.input_topics and AclOperation.WRITE not in allowed:
            yield Right("Write", "topic", name, f"write to topic {name}")


def _on_group(kafka: KafkaSettings, allowed: Operations | None) -> Iterator[Right]:
    if allowed is not None and AclOperation.READ not in allowed:
        yield Right("Read", "group", kafka.group_id, f"join group {kafka.group_id} or commit its offsets")


def _to_write(kafka: KafkaSettings, cluster: Cluster, seconds: float, *, may_write: bool) -> Iterator[Right]:
    if kafka.delivery == "exactly-once":
        if not takes_transactions(kafka, cluster, seconds):
            use = f"use the transactional ids of {kafka.group_id}"
            yield Right("Write", "transactional id", f"{kafka.group_id}-", use, prefixed=True)
    # Since Kafka 2.8 the right to write to any topic is enough, so without that right this cannot be checked yet.
    elif may_write and not takes_idempotent_writes(kafka, seconds):
        yield Right("IdempotentWrite", "cluster", "", "use an idempotent producer")


def _principal(properties: Mapping[str, str]) -> str:
    """Return the principal of the configured user, or an empty text if only the brokers know it."""
    protocol = properties.get("security.protocol", "plaintext").lower()
    if protocol == "plaintext":
        return "User:ANONYMOUS"
    name = properties.get("sasl.username", "")
    return f"User:{name}" if protocol.startswith("sasl") and name else ""


def _unseen(topics: Iterable[str]) -> list[str]:
    names = ", ".join(topics)
    what = "which no replica needs: without it, retention and size limits are not checked"
    return [f"grant DESCRIBE_CONFIGS on {names} for this check, {what}"] if names else []
