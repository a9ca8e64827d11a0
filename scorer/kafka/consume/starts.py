"""Where partitions start: at the committed offset; without one at the first record, or at the end under `latest`.

The client's own `latest` applies to every partition without a committed offset at every start. It skips what was sent
to a partition while nobody had it assigned: one that was idle until a restart, or one that was added. So the client
always starts at the first record, and the end is a decision that the group makes once for a whole topic and commits.

The member that owns partition 0 decides, and commits all partitions of the topic in one request; the others wait for
that. The brokers accept a commit of the current generation alone, in which partition 0 has one owner.
"""

from collections.abc import Callable, Collection

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, TopicPartition

from scorer.kafka.delivery.commits import Commits
from scorer.kafka.offsets import Offsets, Partition

ASK_SECONDS = 1.0
COMMIT_SECONDS = 5.0
log = structlog.get_logger()


class Undecided(Exception):
    """Another member decides where the group starts, or the brokers have not confirmed it yet: ask again soon."""


class Starts:
    """Finds where partitions start.

    Args:
        consumer: asked for partitions and their ends.
        commits: of the group.
        owned: returns the partitions of this replica.
        latest: whether a group that is new to a topic starts at its end. Else all start at their first record.
    """

    def __init__(
        self, consumer: Consumer, commits: Commits, owned: Callable[[], Collection[Partition]], *, latest: bool
    ) -> None:
        self._consumer, self._commits, self._owned, self._latest = consumer, commits, owned, latest
        self._begun: set[str] = set()  # topics of which the group has committed something
        self._told = False  # that the group has not decided

    @property
    def decided(self) -> bool:
        """Whether what is sent from now on to our partitions will be scored."""
        return not self._latest or all(topic in self._begun for topic, _ in self._owned())

    def find(self, committed: Offsets) -> Offsets:
        """Return where partitions start; those that are not decided are left out, and must be asked for again.

        Args:
            committed: their committed offsets, below 0 where there is none, as of a moment ago.

        Raises:
            KafkaException: the brokers do not answer.
        """
        starts = {partition: offset for partition, offset in committed.items() if offset >= 0}
        self._begun.update(topic for topic, _ in starts)
        new = committed.keys() - starts.keys()
        for topic in {topic for topic, _ in new}:
            try:
                # Once the group has begun with a topic, a partition without an offset was added to it later.
                at_end = self._look_up(topic) if self._latest and topic not in self._begun else {}
            except Undecided as reason:
                self._tell(reason)
            else:
                starts |= {place: at_end.get(place, OFFSET_BEGINNING) for place in new if place[0] == topic}
        return starts

    def _tell(self, reason: Undecided) -> None:
        if not self._told:
            log.info("waiting for the group to decide where it starts", reason=str(reason))
        self._told = True

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
