"""Where a group with `start_from: latest` starts: at the ends of a topic, once, and never again.

The client's own `latest` applies to every partition without a committed offset at every start. It skips what was sent
to a partition while nobody had it assigned: one that was idle until a restart, or one that was added. So the client
always starts at the first record, and the end is a decision that the group makes once for a whole topic and commits.

The member that owns partition 0 decides, and commits all partitions of the topic in one request; the others wait for
that. The brokers accept a commit of the current generation alone, in which partition 0 has one owner.
"""

import time
from collections.abc import Callable, Collection

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from scorer.kafka.delivery.commits import Commits
from scorer.kafka.offsets import Offsets, Partition

ASK_SECONDS = 1.0
RETRY_SECONDS = 0.2
COMMIT_SECONDS = 5.0
log = structlog.get_logger()


class Undecided(Exception):
    """Another member decides where the group starts, or the brokers have not confirmed it yet: ask again soon."""


class Starts:
    """Finds where partitions without a committed offset start.

    Args:
        consumer: asked for partitions and their ends.
        commits: of the group.
        owned: returns the partitions of this replica.
        latest: whether a group that is new to a topic starts at its end. Else all start at their first record.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        consumer: Consumer,
        commits: Commits,
        owned: Callable[[], Collection[Partition]],
        *,
        latest: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer, self._commits, self._owned, self._latest, self._clock = consumer, commits, owned, latest, clock
        self._begun: set[str] = set()  # topics of which the group has committed something
        self._retry_at = 0.0

    @property
    def decided(self) -> bool:
        """Whether what is sent from now on to our partitions will be scored."""
        return not self._latest or all(topic in self._begun for topic, _ in self._owned())

    def decide(self) -> None:
        """Decide at once where the group starts, without waiting for a first record; tried again by later calls."""
        if self.decided or self._clock() < self._retry_at:
            return
        try:
            for topic in {topic for topic, _ in self._owned()} - self._begun:
                self._look_up(topic)
        except (KafkaException, Undecided):
            self._retry_at = self._clock() + RETRY_SECONDS

    def find(self, partitions: Collection[Partition]) -> Offsets:
        """Return the start offsets of partitions of which nothing was committed a moment ago.

        One that is left out starts at its first record.

        Raises:
            Undecided: that is not decided yet.
            KafkaException: the brokers do not answer.
        """
        starts: Offsets = {}
        for topic in {topic for topic, _ in partitions} if self._latest else ():
            # Once the group has begun with a topic, a partition without an offset was added to it later.
            if topic not in self._begun:
                starts |= self._look_up(topic)
        return {partition: starts[partition] for partition in partitions if partition in starts}

    def _look_up(self, topic: str) -> Offsets:
        """Return the committed offsets of a topic; where the group has none, decide."""
        own = {partition for partition in self._owned() if partition[0] == topic}
        # Those alone, if they are enough: offsets that a transaction is about to change are waited for.
        committed = self._committed({(topic, 0)} | own)
        if not committed:
            known = self._consumer.list_topics(topic, timeout=ASK_SECONDS).topics[topic].partitions
            everywhere = own | {(topic, number) for number in known}
            committed = self._committed(everywhere)
            if not committed and (topic, 0) not in own:
                raise Undecided(f"the owner of partition 0 of {topic} has not committed where the group starts")
            committed = committed or self._start_at_end(topic, everywhere)
        self._begun.add(topic)
        return committed

    def _committed(self, partitions: Collection[Partition]) -> Offsets:
        committed = self._commits.read(partitions, ASK_SECONDS)
        return {partition: offset for partition, offset in committed.items() if offset >= 0}

    def _start_at_end(self, topic: str, partitions: Collection[Partition]) -> Offsets:
        asked = [TopicPartition(*partition, OFFSET_END) for partition in sorted(partitions)]
        ends: Offsets = {}
        for each in self._consumer.offsets_for_times(asked, timeout=COMMIT_SECONDS):
            if each.error is not None or each.offset < 0:
                raise Undecided(f"the end of partition {each.partition} of {topic} is not known")
            ends[each.topic, each.partition] = each.offset
        if not self._commits.finish(ends, COMMIT_SECONDS):
            raise Undecided("where the group starts could not be committed")
        log.info("a group without offsets starts at the end of its topic", topic=topic, partitions=len(ends))
        return ends
