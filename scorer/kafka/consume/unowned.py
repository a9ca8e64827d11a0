"""Partitions that nobody owns after a named replica was restarted in the middle of a rebalance.

Under the classic protocol a replica gives partitions up first, and joins again so that others get them. Where it dies
in between, a replica of the same `kafka.instance_id` takes its place without a rebalance, with the partitions that it
had kept. Those that it gave up belong to nobody until the next rebalance, whenever that comes.
"""

import time
from collections.abc import Callable
from threading import Event, Thread

import structlog
from confluent_kafka import KafkaException

from scorer.kafka.brokers.groups import GroupDescription, describe_group
from scorer.kafka.offsets import Partition
from scorer.settings import KafkaSettings

LOOK_SECONDS = 5.0  # between two questions, and the limit of one
LONGEST_SECONDS = 60.0  # between two questions that the brokers do not answer
PATIENCE_SECONDS = 15.0  # longer than a replica takes to give partitions up, which nobody owns meanwhile
log = structlog.get_logger()


class Unowned:
    """Watches the group in the background, after this replica has joined it, until each partition has an owner.

    Args:
        kafka: the group and the input topics.
        describe: asks the brokers.
        look_seconds: between two questions.
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
        """Start to watch, where such partitions are possible; the second call and later ones do nothing."""
        if self._possible:
            self._possible = False
            Thread(target=self._watch, name="unowned", daemon=True).start()

    def found(self) -> bool:
        """Return, once, that this replica must leave the group and join it again, so that there is a rebalance."""
        found = self._found.is_set()
        self._found.clear()
        return found

    def _watch(self) -> None:
        since, wait = None, self._look_seconds
        while (unowned := self._look()) != set():
            now = time.monotonic()
            since = None if unowned is None else since or now
            wait = min(2 * wait, LONGEST_SECONDS) if unowned is None else self._look_seconds
            if unowned and since is not None and now - since >= self._patience:
                named = " ".join(f"{topic}-{number}" for topic, number in sorted(unowned))
                log.warning("joining the group again: partitions have no owner", partitions=named)
                self._found.set()
                since = None
            time.sleep(wait)

    def _look(self) -> set[Partition] | None:
        """Return the partitions without an owner; None while the brokers do not say, or the group rebalances."""
        name, topics = self._kafka.group_id, self._kafka.input_topics
        try:
            group = self._describe(self._kafka, name, self._look_seconds, topics=topics)
        except KafkaException:
            return None
        if group.state != "stable":
            return None
        return {(topic, number) for topic, size in group.sizes.items() for number in range(size)} - group.owners.keys()
