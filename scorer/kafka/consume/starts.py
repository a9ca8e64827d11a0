"""Start offsets: the committed offset, or else the first record, or the end under `latest`.

The client's own `latest` applies at every start to every partition without a committed offset. It skips events that
were sent to a partition while nobody owned it: one that was idle until a restart, or one that was added. So the client
always starts at the first record. Under `latest` the group decides once for a whole topic to start at the end, and
commits that decision.

The member that owns partition 0 decides, and commits all partitions of the topic in one request; the other members wait
for this commit. The brokers accept commits of the current generation only, in which partition 0 has one owner.
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
    """Another member decides where the group starts, or the brokers have not confirmed the decision yet: retry soon."""


class Starts:
    """Finds the start offsets of partitions.

    Args:
        consumer: returns the partitions of topics and their ends.
        commits: reads and writes the group's committed offsets.
        owned: returns the partitions of this replica.
        latest: whether a group that is new to a topic starts at its end; otherwise it starts at the first record.
    """

    def __init__(
        self, consumer: Consumer, commits: Commits, owned: Callable[[], Collection[Partition]], *, latest: bool
    ) -> None:
        self._consumer, self._commits, self._owned, self._latest = consumer, commits, owned, latest
        self._committed_topics: set[str] = set()  # topics with a committed offset
        self._logged = False  # whether the wait for the group's decision was logged

    @property
    def decided(self) -> bool:
        """Whether every event that is sent to our partitions from now on will be scored."""
        return not self._latest or all(topic in self._committed_topics for topic, _ in self._owned())

    def find(self, committed: Offsets) -> Offsets:
        """Return the start offsets of partitions, without those that are undecided: ask for these again.

        Args:
            committed: their current committed offsets; below 0 if there is none.

        Raises:
            KafkaException: the brokers do not answer.
        """
        starts = {partition: offset for partition, offset in committed.items() if offset >= 0}
        self._committed_topics.update(topic for topic, _ in starts)
        new = committed.keys() - starts.keys()
        for topic in {topic for topic, _ in new}:
            try:
                # If the group has committed offsets of a topic, a partition without one was added later.
                at_end = self._look_up(topic) if self._latest and topic not in self._committed_topics else {}
            except Undecided as reason:
                self._log_wait(reason)
            else:
                starts |= {place: at_end.get(place, OFFSET_BEGINNING) for place in new if place[0] == topic}
        return starts

    def _log_wait(self, reason: Undecided) -> None:
        if not self._logged:
            log.info("waiting for the group to decide where it starts", reason=str(reason))
        self._logged = True

    def _look_up(self, topic: str) -> Offsets:
        """Return the committed offsets of a topic; if the group has none, decide."""
        own = {partition for partition in self._owned() if partition[0] == topic}
        # Ask for few partitions first: the request waits for open transactions that change any of their offsets.
        committed = self._committed({(topic, 0)} | own)
        if not committed:
            known = self._consumer.list_topics(topic, timeout=ASK_SECONDS).topics[topic].partitions
            everywhere = own | {(topic, number) for number in known}
            committed = self._committed(everywhere)
            if not committed and (topic, 0) not in own:
                raise Undecided(f"the owner of partition 0 of {topic} has not committed where the group starts")
            committed = committed or self._start_at_end(topic, everywhere)
        self._committed_topics.add(topic)
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
            raise Undecided("the start offsets of the group could not be committed")
        log.info("group has no offsets, starting at the end of the topic", topic=topic, partitions=len(ends))
        return ends
