"""Sends commits to the brokers, and interprets the results."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from scorer.kafka.client import within
from scorer.kafka.observer import Observer
from scorer.kafka.offsets import Offsets, Partition

NOT_OWNER = frozenset({
    KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID,
    KafkaError.STALE_MEMBER_EPOCH, KafkaError.FENCED_MEMBER_EPOCH,
})  # fmt: skip

log = structlog.get_logger()


class Commits:
    """The commits of one consumer.

    failure: why the last one failed; empty if it succeeded, or was only refused because of a rebalance.

    Args:
        consumer: the member of the group.
        observer: receives the results.
        worded: returns the text for an error.
    """

    def __init__(
        self, consumer: Consumer, observer: Observer, worded: Callable[[KafkaError], str] = KafkaError.str
    ) -> None:
        self._consumer, self.observer, self._worded = consumer, observer, worded
        self.failure = ""

    def begin(self, offsets: Mapping[Partition, int]) -> None:
        """Send a commit and return at once; the consumer's `on_commit` receives the result in a later poll."""
        self._consumer.commit(offsets=topic_partitions(offsets), asynchronous=True)

    def finish(self, offsets: Mapping[Partition, int], seconds: float) -> bool:
        """Commit and wait at most some seconds; librdkafka would wait for a whole session timeout for lost brokers.

        A callback of the consumer must wait without a timeout, because the consumer answers no other thread until the
        callback returns. That wait ends within milliseconds.
        """
        results: list[bool] = []

        def commit() -> None:
            try:
                answered = self._consumer.commit(offsets=topic_partitions(offsets), asynchronous=False)
            except KafkaException as error:
                results.append(self.result(error.args[0], ()))
            else:
                results.append(self.result(None, answered))

        if math.isinf(seconds):
            commit()
        else:
            within(seconds, commit)
        return results == [True]

    def read(self, partitions: Iterable[Partition], seconds: float) -> Offsets:
        """Return the committed offsets of some partitions, below 0 if there is none, once no transaction is open.

        Raises:
            KafkaException: the brokers do not answer within the time.
        """
        asked = topic_partitions(dict.fromkeys(partitions, 0))
        answered = self._consumer.committed(asked, seconds)
        for each in answered:
            if each.error is not None:
                raise KafkaException(each.error)
        return {(each.topic, each.partition): each.offset for each in answered}

    def low(self, partition: Partition, seconds: float | None) -> int:
        """Return the first offset that a partition still has.

        Args:
            partition: the partition.
            seconds: the timeout of the request; None returns what the client last heard, without a request.

        Raises:
            KafkaException: the brokers do not answer within the time.
        """
        place = TopicPartition(*partition)
        if seconds is None:
            low, _ = self._consumer.get_watermark_offsets(place, cached=True)
        else:
            low, _ = self._consumer.get_watermark_offsets(place, seconds)
        return int(low)

    def result(self, error: KafkaError | None, partitions: Sequence[TopicPartition] | None) -> bool:
        """Report the result of a commit; return whether the brokers confirmed all of it."""
        errors = [error, *(partition.error for partition in partitions or ())]
        failed = next((each for each in errors if each is not None), None)
        if failed is None:
            self.failure = ""
            self.succeeded({(each.topic, each.partition): each.offset for each in partitions or ()})
        elif failed.code() in NOT_OWNER:
            self.observer.committed("not_owner")
            log.info("commit refused during a rebalance, will retry for kept partitions", error=failed.str())
        else:
            self.observer.committed("failed")
            first, self.failure = not self.failure, self._worded(failed)
            if first:
                log.warning("commit failed, will retry", error=self.failure)
        return failed is None

    def succeeded(self, offsets: Mapping[Partition, int]) -> None:
        """Report that offsets are committed."""
        self.observer.committed("ok")
        self.observer.confirmed(offsets)


def topic_partitions(offsets: Mapping[Partition, int]) -> list[TopicPartition]:
    """Convert offsets to the client's type."""
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]


def places(partitions: Iterable[TopicPartition]) -> list[Partition]:
    """Return the partitions without their offsets."""
    return [(each.topic, each.partition) for each in partitions]
