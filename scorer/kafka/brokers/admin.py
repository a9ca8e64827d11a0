"""The admin client: requests to the cluster other than reading and writing records. Every call has a timeout."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, though not in the way mypy asks for
    AdminClient,
    ConfigResource,
    NewTopic,
    OffsetSpec,
)

from scorer.errors import Fatal, ScorerError
from scorer.kafka.brokers.cluster import Cluster
from scorer.kafka.brokers.groups import describe_group
from scorer.kafka.brokers.right import Right, principal, to_read, to_write
from scorer.kafka.brokers.topics import AFTER, BEFORE, DIFFERENCE, Topic
from scorer.kafka.client import POLL_SECONDS, Answer, LastError, given, properties, settled
from scorer.kafka.connect import connect, no_answer
from scorer.kafka.offsets import Partition
from scorer.settings import KafkaSettings

ABSENT = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART})
NO_ANSWER = frozenset({KafkaError._TIMED_OUT, KafkaError._TRANSPORT})  # noqa: SLF001  librdkafka's own codes are so named
DENIED = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED})
OF_TOPICS = (
    "retention.ms", "max.message.bytes", "cleanup.policy", "min.insync.replicas", "unclean.leader.election.enable",
    "message.timestamp.type", AFTER, BEFORE, DIFFERENCE,
)  # fmt: skip
OF_BROKERS = ("transaction.max.timeout.ms", "socket.request.max.bytes")
_EARLIEST: OffsetSpec = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """The lag of a consumer group in one partition. Offsets are the next ones to read.

    committed: the committed offset; None if the group has committed none.
    end:       the end offset of the partition.
    lag:       the distance from the group's next offset to the end.
    member:    the member that owns it: its group.instance.id if it has one, otherwise its member id; None without one.
    host:      the host of that member.
    """

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int
    member: str | None
    host: str | None


@dataclass(frozen=True, slots=True)
class GroupLag:
    """The lag of a consumer group by partition, in order."""

    group: str
    state: str
    partitions: Sequence[PartitionLag]

    @property
    def total(self) -> int:
        """The lag of all partitions together."""
        return sum(partition.lag for partition in self.partitions)


class Admin:
    """An admin client.

    Args:
        kafka: the brokers, and how to log in.
        seconds: the timeout of each call.
    """

    def __init__(self, kafka: KafkaSettings, seconds: float = 10.0) -> None:
        self._kafka, self._servers = kafka, kafka.bootstrap_servers
        self._seconds = seconds
        self._reason = LastError(kafka=kafka)
        # No log: the errors that the client would log repeatedly are in the error that is raised.
        self._properties = {"log_level": 0, **properties(kafka, "admin"), "error_cb": self._reason}
        self._client = connect(AdminClient, self._properties)

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """Return the named topics that exist, by name and in the given order.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse the request.
        """
        asked = TopicCollection(list(dict.fromkeys(names)))
        futures = self._client.describe_topics(asked, request_timeout=self._seconds)
        found = {}
        for name, future in futures.items():
            described = self._wait(future, f"describe topic {name}", ABSENT, self._right(name))
            if described is not None:
                partitions, replicas = described.partitions, len(described.partitions[0].replicas)
                found[name] = Topic(name, len(partitions), replicas, self._of_topic(name), str(described.topic_id))
        return found

    def required(self, names: Sequence[str]) -> list[Topic]:
        """Return the named topics, in the given order.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: one is missing, or the brokers refuse the request.
        """
        found = self.topics(names)
        if missing := [name for name in names if name not in found]:
            raise Fatal(f"missing topics: {', '.join(missing)}; `scorer topics --create` creates them")
        return list(found.values())

    def cluster(self) -> Cluster:
        """Return the number of brokers, and the properties of one of them.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse the request.
        """
        described = self._wait(self._client.describe_cluster(request_timeout=self._seconds), "describe the cluster")
        one = ConfigResource(ConfigResource.Type.BROKER, str(described.nodes[0].id))
        return Cluster(len(described.nodes), self._config(one, OF_BROKERS, "the properties of a broker"))

    def create(self, topics: Iterable[Topic]) -> list[str]:
        """Create topics and wait until the cluster knows them; return the names of those that did not exist before.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse the request.
        """
        new = [NewTopic(t.name, t.partitions, t.replicas, config=dict(t.config)) for t in topics]
        if not new:
            return []
        seconds = self._seconds
        futures = self._client.create_topics(new, request_timeout=seconds, operation_timeout=seconds)
        for name, future in futures.items():
            right = Right("Create", "topic", name, f"create topic {name}")
            self._wait(future, f"create topic {name}", {KafkaError.TOPIC_ALREADY_EXISTS}, right)
        created = [name for name, future in futures.items() if future.exception() is None]
        deadline = time.monotonic() + seconds
        while len(self.topics(created)) < len(created) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)  # the brokers learn of a topic a moment after the controller
        return created

    def lag(self, group: str, topics: Iterable[Topic], start_from: str) -> GroupLag:
        """Return the lag of a group.

        Args:
            group: the group's id.
            topics: the topics that it reads.
            start_from: `earliest` or `latest`: where it starts in a topic without committed offsets.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the brokers refuse a request.
        """
        asked = [(topic.name, partition) for topic in topics for partition in range(topic.partitions)]
        committed = self._committed(group, asked)
        begins, ends = self._offsets(asked, _EARLIEST), self._offsets(asked, _LATEST)
        described = self._asked(lambda: describe_group(self._kafka, group, self._seconds), f"describe group {group}")
        # A partition without an offset, in a topic with some, was added later: it is read from its first record.
        begun = {topic for topic, _ in committed}
        lags = []
        for partition in asked:
            begin, end, at = begins[partition], ends[partition], committed.get(partition)
            fresh = end if start_from == "latest" and partition[0] not in begun else begin
            start = fresh if at is None else at
            lag = max(0, end - max(start, begin))
            lags.append(PartitionLag(*partition, at, end, lag, *described.owners.get(partition, (None, None))))
        return GroupLag(group, described.state, lags)

    def _of_topic(self, topic: str) -> dict[str, str]:
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
        return self._config(resource, OF_TOPICS, f"the properties of topic {topic}")

    def _config(self, resource: ConfigResource, names: Iterable[str], what: str) -> dict[str, str]:
        (future,) = self._client.describe_configs([resource], request_timeout=self._seconds).values()
        entries = self._wait(future, f"read {what}", DENIED) or {}
        return {name: entries[name].value for name in names if name in entries}

    def _committed(self, group: str, partitions: Sequence[Partition]) -> dict[Partition, int]:
        # The admin client's call would crash the process when the group's coordinator has just moved.
        consumer = connect(Consumer, {**self._properties, "group.id": group, "enable.auto.commit": False})
        asked = [TopicPartition(*partition) for partition in partitions]
        try:
            found = self._asked(
                lambda: consumer.committed(asked, timeout=self._seconds), f"read the offsets of {group}"
            )
        finally:
            consumer.close()
        return {(at.topic, at.partition): at.offset for at in found if at.offset >= 0}

    def _offsets(self, partitions: Sequence[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        asked = {TopicPartition(*partition): spec for partition in partitions}

        def ask() -> dict[Partition, int]:
            futures = self._client.list_offsets(asked, request_timeout=self._seconds)
            found = {at: self._done(future).result() for at, future in futures.items()}
            return {(at.topic, at.partition): answer.offset for at, answer in found.items()}

        return self._asked(ask, f"read the offsets of {', '.join(dict.fromkeys(topic for topic, _ in partitions))}")

    def _asked(self, ask: Callable[[], Answer], doing: str) -> Answer:
        """Ask about a group or partitions, and retry while they move between brokers."""
        try:
            return settled(ask, self._seconds)
        except KafkaException as failed:
            raise self._failure(failed, doing) from failed

    def _right(self, topic: str) -> Right:
        """Return the right that a replica needs on one of its topics, or to see another one."""
        if topic in self._kafka.input_topics:
            return to_read(topic)
        if topic in {self._kafka.output_topic, self._kafka.dead_letter_topic}:
            return to_write(topic)
        return Right("Describe", "topic", topic, f"see topic {topic}")

    def _wait(self, future: Future[Any], doing: str, expected: Collection[int] = (), right: Right | None = None) -> Any:  # noqa: ANN401  the client has no types
        """Return the result, or None for an error with one of the expected codes."""
        try:
            return self._done(future).result()
        except KafkaException as failed:
            if failed.args[0].code() in expected:
                return None
            raise self._failure(failed, doing, right) from failed

    def _done(self, future: Future[Any]) -> Future[Any]:
        """Return the future when it is done, serving the client's callbacks meanwhile."""
        while not future.done() and not self._reason.hopeless:
            wait([future], timeout=POLL_SECONDS)
            self._client.poll(0)
        if not future.done():
            raise no_answer(self._servers, self._reason.text)
        return future

    def _failure(self, failed: KafkaException, doing: str, right: Right | None = None) -> ScorerError:
        error: KafkaError = failed.args[0]
        if error.code() in NO_ANSWER:
            return no_answer(self._servers, self._reason.text)
        if error.code() in DENIED and right is not None:
            return Fatal(right.lacking(principal(given(self._kafka)), self._servers))
        hint = "; `scorer check` names each right that is missing" if error.code() in DENIED else ""
        return Fatal(f"cannot {doing}: {error.str()}{hint}")
