"""Detects partitions without an owner after a named replica was restarted in the middle of a rebalance.

Under the classic protocol a replica first gives up partitions, and then rejoins so that other replicas get them. If it
dies in between, its successor with the same `kafka.instance_id` takes over the partitions that it kept, without a
rebalance. The partitions that it gave up have no owner until the next rebalance, which may never come.
"""

import time
from collections.abc import Callable
from threading import Event, Thread

import structlog
from confluent_kafka import KafkaException

from scorer.kafka.brokers.groups import GroupDescription, describe_group
from scorer.kafka.offsets import Partition, named
from scorer.settings import KafkaSettings

LOOK_SECONDS = 5.0  # between two requests, and the timeout of each
LONGEST_SECONDS = 60.0  # the longest backoff while the brokers do not answer
PATIENCE_SECONDS = 15.0  # longer than partitions have no owner in an ordinary rebalance
log = structlog.get_logger()


class Unowned:
    """Watches the group in the background, after this replica has joined, until each partition has an owner.

    Args:
        kafka: the group and the input topics.
        describe: describes the group.
        look_seconds: between two requests.
        patience_seconds: how long a partition may have no owner.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        describe: Callable[..., GroupDescription] = describe_group,
        look_seconds: float = LOOK_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._kafka, self._describe = kafka, describe
        self._look_seconds, self._patience = look_seconds, patience_seconds
        self._possible = kafka.instance_id is not None and kafka.properties.get("group.protocol") != "consumer"
        self._found = Event()

    def watch(self) -> None:
        """Start to watch if such partitions are possible; only the first call has an effect."""
        if self._possible:
            self._possible = False
            Thread(target=self._watch, name="unowned", daemon=True).start()

    @property
    def waiting(self) -> bool:
        """Whether `found` would return True."""
        return self._found.is_set()

    def found(self) -> bool:
        """Return True once if this replica must leave and rejoin the group, to cause a rebalance."""
        if not self._found.is_set():
            return False
        self._found.clear()
        return True

    def _watch(self) -> None:
        since, wait = None, self._look_seconds
        while (unowned := self._find()) != set():
            now = time.monotonic()
            since = None if unowned is None else since or now
            wait = min(2 * wait, LONGEST_SECONDS) if unowned is None else self._look_seconds
            if unowned and since is not None and now - since >= self._patience:
                log.warning("partitions have no owner, rejoining the group", partitions=named(unowned))
                self._found.set()
                since = None
            time.sleep(wait)

    def _find(self) -> set[Partition] | None:
        """Return the partitions without an owner; None if the brokers do not answer or the group rebalances."""
        name, topics = self._kafka.group_id, self._kafka.input_topics
        try:
            group = self._describe(self._kafka, name, self._look_seconds, topics=topics)
        except KafkaException:
            return None
        if group.state != "stable":
            return None
        return {(topic, number) for topic, size in group.sizes.items() for number in range(size)} - group.owners.keys()
