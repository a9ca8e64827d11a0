"""What the brokers let a replica's user do: asked where they tell, tried where they do not.

Nobody is disturbed by it: no group is joined, no record is written and no transaction is begun.
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
from scorer.kafka.client import TURN_SECONDS, producer_properties, transaction_properties
from scorer.kafka.connect import connect
from scorer.settings import KafkaSettings

Operations = frozenset[AclOperation]
NOTHING: Operations = frozenset()
HIDING = ABSENT | DENIED
TOO_LONG_MS = 2**31 - 1  # for a transaction, unless the brokers were given just this limit
TRIED = {"log_level": 0}  # a refusal is an answer here, and not for the log


class Grants(Admin):
    """Asks for the operations that are allowed to its user."""

    def on_topics(self, names: Iterable[str]) -> dict[str, Operations]:
        """Return what is allowed on each topic, without those that do not exist or that the brokers do not tell of.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: they refuse to say.
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
        """Return what is allowed on a consumer group, or None where the brokers do not tell.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: they refuse to say.
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
    """Try whether the brokers take transactions under the id of this replica.

    They look at the right first and at the timeout next, so a timeout that is too long is refused only to users who
    have the right, and before anything changes: a replica that is running under this id is not fenced.

    Args:
        kafka: which replica, and who logs in.
        cluster: the brokers as they are.
        seconds: limit of the try.

    Raises:
        Fatal: transactions fail for another reason than the right to them.
    """
    if int(cluster.config.get("transaction.max.timeout.ms", 0)) >= TOO_LONG_MS:
        kafka = kafka.model_copy(update={"instance_id": None})  # the try would succeed, so not under an id in use
    producer = connect(Producer, TRIED | transaction_properties(kafka) | {"transaction.timeout.ms": TOO_LONG_MS})
    try:
        producer.init_transactions(seconds)
    except KafkaException as refused:
        error: KafkaError = refused.args[0]
        if error.code() == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            return False
        if error.code() != KafkaError.INVALID_TRANSACTION_TIMEOUT:
            raise Fatal(f"kafka: no transaction can be begun: {error.str()}") from refused
    return True


def takes_idempotent_writes(kafka: KafkaSettings, seconds: float) -> bool:
    """Try whether the brokers take writes that a retry does not repeat, which is how a replica writes.

    Args:
        kafka: who logs in.
        seconds: limit of the try; brokers that have not refused by then may take them.
    """
    assigned: list[bool] = []  # whether the brokers have taken the producer, each time that we are told

    def on_statistics(text: str) -> None:
        assigned.append(json.loads(text)["eos"]["idemp_state"] == "Assigned")

    told = {"statistics.interval.ms": 50, "stats_cb": on_statistics}
    producer = connect(Producer, TRIED | producer_properties(kafka) | told)
    deadline = time.monotonic() + seconds
    try:
        while not any(assigned) and time.monotonic() < deadline:
            producer.poll(TURN_SECONDS)
    except KafkaException as refused:
        return bool(refused.args[0].code() != KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    return True


def _code(asked: Future[Any]) -> int | None:
    failed = asked.exception()
    return failed.args[0].code() if isinstance(failed, KafkaException) else None
