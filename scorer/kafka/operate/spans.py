"""Fixes a span of offsets by time, once for a group.

One transaction commits the start of each partition as the offset of the group, and its end as the offset of a second
group without members, `GROUP.ends`. The transactional id has that name, too. If several processes begin at the same
time, one of them decides and the others read its decision: a process that initialises the transactional id fences all
earlier producers with it.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from scorer.errors import Fatal, Unavailable
from scorer.kafka.client import LastError, reader_properties, settled, transaction_properties
from scorer.kafka.connect import connect, no_answer
from scorer.kafka.offsets import Offsets
from scorer.settings import KafkaSettings

ENDS = ".ends"  # of the name of the second group
ASK_SECONDS = 15.0
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets that a group reads.

    starts: the first offset of each partition.
    ends:   for each partition, the first offset that is not read.
    note:   the note of the process that fixed it.
    """

    starts: Offsets
    ends: Offsets
    note: str

    @property
    def offsets(self) -> int:
        """The number of offsets, some of which may have no record."""
        return sum(end - self.starts[place] for place, end in self.ends.items())


def fix_span(kafka: KafkaSettings, since: int, until: int, note: str) -> Span:
    """Return the span of a group, and fix it first if that has not happened.

    Args:
        kafka: the brokers, the group and the topics.
        since: the start of the range of record timestamps, in milliseconds since the epoch.
        until: the end of the range, which is not read, in the same unit.
        note: a text that is stored with the span.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the brokers refuse transactions or a topic.
    """
    for attempt in range(ATTEMPTS):
        try:
            return _fixed(kafka, since, until, note)
        except KafkaException as failed:  # fenced by another process, which decides instead
            reason = failed.args[0].str()
            time.sleep(0.2 * (attempt + 1))
    raise Unavailable(f"kafka: the range of offsets could not be fixed: {reason}")


def _fixed(kafka: KafkaSettings, since: int, until: int, note: str) -> Span:
    reason = LastError(kafka=kafka)
    own = {"error_cb": reason, "transactional.id": f"{kafka.group_id}{ENDS}"}
    producer = connect(Producer, transaction_properties(kafka) | own)
    try:
        producer.init_transactions(ASK_SECONDS)
    except KafkaException as failed:
        if failed.args[0].retriable() or reason.hopeless:
            raise no_answer(kafka.bootstrap_servers, reason.text or failed.args[0].str()) from failed
        raise
    ends_group = connect(Consumer, reader_properties(kafka) | {"group.id": f"{kafka.group_id}{ENDS}"})
    group = connect(Consumer, reader_properties(kafka))
    with closing(ends_group), closing(group):
        partitions = _partitions(group, kafka.input_topics)
        committed = settled(partial(ends_group.committed, partitions, ASK_SECONDS), ASK_SECONDS)
        if known := [each for each in committed if each.offset >= 0]:
            return _read(known)
        starts, ends = _at(group, partitions, since), _at(group, partitions, until)
        fixed = [
            TopicPartition(*place, max(end, starts[place]), metadata=f"{starts[place]} {note}")
            for place, end in ends.items()
        ]
        producer.begin_transaction()
        first = [TopicPartition(*place, start) for place, start in starts.items()]
        producer.send_offsets_to_transaction(first, group.consumer_group_metadata(), ASK_SECONDS)
        producer.send_offsets_to_transaction(fixed, ends_group.consumer_group_metadata(), ASK_SECONDS)
        producer.commit_transaction(ASK_SECONDS)
        return _read(fixed)


def _read(known: Sequence[TopicPartition]) -> Span:
    """Return the span that was committed."""
    starts, ends, note = Offsets(), Offsets(), ""
    for each in known:
        start, _, note = (each.metadata or "0").partition(" ")
        starts[each.topic, each.partition], ends[each.topic, each.partition] = int(start), each.offset
    return Span(starts, ends, note)


def _partitions(consumer: Consumer, topics: Sequence[str]) -> list[TopicPartition]:
    found = []
    for topic in topics:
        described = consumer.list_topics(topic, timeout=ASK_SECONDS).topics[topic]
        if described.error is not None:
            raise Fatal(f"cannot read topic {topic}: {described.error.str()}")
        found += [TopicPartition(topic, number) for number in sorted(described.partitions)]
    return found


def _at(consumer: Consumer, partitions: Sequence[TopicPartition], moment: int) -> Offsets:
    """Return each partition's first offset with a record at a time or later; its end if there is none."""
    moment = max(moment, 0)  # brokers take negative times for something else: -1 is the end, and -2 the beginning
    asked = [TopicPartition(each.topic, each.partition, moment) for each in partitions]
    found = settled(partial(consumer.offsets_for_times, asked, timeout=ASK_SECONDS), ASK_SECONDS)
    offsets = {(each.topic, each.partition): each.offset for each in found}
    for place, offset in offsets.items():
        if offset < 0:
            ask = partial(consumer.get_watermark_offsets, TopicPartition(*place), timeout=ASK_SECONDS)
            offsets[place] = settled(ask, ASK_SECONDS)[1]
    return offsets
