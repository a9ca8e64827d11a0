"""Finds out what the brokers allow a replica's user to do: by asking them, or by trying if they do not say.

This has no side effects: no group is joined, no record is written and no transaction is begun.
"""

import json
import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]  # exported, though not as mypy asks for

from scorer.errors import Fatal
from scorer.kafka.brokers.admin import ABSENT, DENIED, Admin
from scorer.kafka.brokers.cluster import Cluster
from scorer.kafka.brokers.groups import describe_group
from scorer.kafka.client import POLL_SECONDS, producer_properties, transaction_properties
from scorer.kafka.connect import connect
from scorer.settings import KafkaSettings

Operations = frozenset[AclOperation]
NOTHING: Operations = frozenset()
HIDING = ABSENT | DENIED
TOO_LONG_MS = 2**31 - 1  # a transaction timeout that brokers refuse, unless this is exactly their limit
TRIED = {"log_level": 0}  # no log: here, a refusal is a result


class Grants(Admin):
    """Asks the brokers for the operations that its user is allowed."""

    def on_topics(self, names: Iterable[str]) -> dict[str, Operations]:
        """Return the allowed operations on each topic that exists, if the brokers report them.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse the request.
        """
        futures = self._client.describe_topics(
            TopicCollection(list(dict.fromkeys(names))),
            include_authorized_operations=True,
            request_timeout=self._seconds,
        )
        described = {name: self._wait(asked, f"describe topic {name}", HIDING) for name, asked in futures.items()}
        found = {
            name: frozenset(topic.authorized_operations)
            for name, topic in described.items()
            if topic is not None and topic.authorized_operations
        }
        return found | {name: NOTHING for name, asked in futures.items() if _code(asked) in DENIED}

    def on_group(self, group: str) -> Operations | None:
        """Return the allowed operations on a consumer group, or None if the brokers do not report them.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse the request.
        """

        def ask() -> Operations | None:
            try:
                described = describe_group(self._kafka, group, self._seconds, rights=True)
            except KafkaException as refused:
                if refused.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                    return NOTHING
                raise
            return frozenset(AclOperation[name] for name in described.operations) or None

        return self._asked(ask, f"describe group {group}")


def takes_transactions(kafka: KafkaSettings, cluster: Cluster, seconds: float) -> bool:
    """Return whether the brokers accept transactions with the transactional.id of this replica.

    Brokers check the right first and the timeout second. So a timeout that is too long is refused only if the user has
    the right, and before anything changes: a running replica with this id is not fenced.

    Args:
        kafka: the replica's settings, with its login.
        cluster: the brokers.
        seconds: the timeout.

    Raises:
        Fatal: transactions fail for another reason than a missing right.
    """
    if int(cluster.config.get("transaction.max.timeout.ms", 0)) >= TOO_LONG_MS:
        kafka = kafka.model_copy(
            update={"instance_id": None}
        )  # the call would succeed, so it must not use an id in use
    producer = connect(Producer, TRIED | transaction_properties(kafka) | {"transaction.timeout.ms": TOO_LONG_MS})
    try:
        producer.init_transactions(seconds)
    except KafkaException as refused:
        error: KafkaError = refused.args[0]
        if error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            return False
        if error.code() != KafkaError.INVALID_TRANSACTION_TIMEOUT:
            raise Fatal(f"kafka: cannot begin a transaction: {error.str()}") from refused
    return True


def takes_idempotent_writes(kafka: KafkaSettings, seconds: float) -> bool:
    """Return whether the brokers accept an idempotent producer, as a replica uses it.

    Args:
        kafka: the settings, with the login.
        seconds: the timeout; brokers that have not refused by then are assumed to accept it.
    """
    assigned: list[bool] = []  # whether the producer has its id, at each report of the statistics

    def on_statistics(text: str) -> None:
        assigned.append(json.loads(text)["eos"]["idemp_state"] == "Assigned")

    statistics = {"statistics.interval.ms": 50, "stats_cb": on_statistics}
    producer = connect(Producer, TRIED | producer_properties(kafka) | statistics)
    deadline = time.monotonic() + seconds
    try:
        while not any(assigned) and time.monotonic() < deadline:
            producer.poll(POLL_SECONDS)
    except KafkaException as refused:
        return bool(refused.args[0].code() != KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    return True


def _code(asked: Future[Any]) -> int | None:
    failed = asked.exception()
    return failed.args[0].code() if isinstance(failed, KafkaException) else None
