"""What every Kafka client of a replica is configured with, whoever it is for."""

import math
import threading
import time
import uuid
from collections.abc import Callable
from typing import Literal, TypeVar

from confluent_kafka import KafkaError, KafkaException

from scorer.redaction import foreign
from scorer.settings import BatchSettings, KafkaSettings

Role = Literal["consumer", "producer", "admin"]
Answer = TypeVar("Answer")

# What brokers answer while partitions and groups move from one to another, or are new to them: ask again.
MOVING = frozenset({
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH,
})  # fmt: skip
TURN_SECONDS = 0.05
JOIN_SECONDS = 0.5

# librdkafka takes any property for any client, with a warning on stderr where it does not apply.
CONSUMER_ONLY = frozenset({
    "auto.commit.interval.ms", "check.crcs", "coordinator.query.interval.ms", "fetch.error.backoff.ms",
    "fetch.max.bytes", "fetch.message.max.bytes", "fetch.min.bytes", "fetch.queue.backoff.ms", "fetch.wait.max.ms",
    "group.instance.id", "group.protocol", "group.protocol.type", "group.remote.assignor", "heartbeat.interval.ms",
    "isolation.level", "max.partition.fetch.bytes", "max.poll.interval.ms", "partition.assignment.strategy",
    "queued.max.messages.kbytes", "queued.min.messages", "session.timeout.ms",
})  # fmt: skip
PRODUCER_ONLY = frozenset({
    "batch.num.messages", "batch.size", "compression.codec", "compression.level", "compression.type",
    "delivery.timeout.ms", "linger.ms", "message.send.max.retries", "message.timeout.ms",
    "queue.buffering.max.kbytes", "queue.buffering.max.messages", "queue.buffering.max.ms", "queuing.strategy",
    "request.timeout.ms", "retries", "retry.backoff.max.ms", "retry.backoff.ms", "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
})  # fmt: skip
# The client's own limit on a message: none, since a dead letter is as large as the input topic let its event be.
LARGEST_MESSAGE = 1_000_000_000
FOREIGN = {"consumer": PRODUCER_ONLY, "producer": CONSUMER_ONLY, "admin": CONSUMER_ONLY | PRODUCER_ONLY}


def properties(kafka: KafkaSettings, role: Role) -> dict[str, object]:
    """Return the librdkafka properties of one client: the user's that apply to its role, and where the brokers are."""
    chosen = {name: value for name, value in kafka.properties.items() if name not in FOREIGN[role]}
    return {"client.id": f"scorer-{kafka.group_id}", **chosen, "bootstrap.servers": kafka.bootstrap_servers}


def consumer_properties(kafka: KafkaSettings, batch: BatchSettings) -> dict[str, object]:
    """Return the properties of a replica's consumer, which reads batches of that size."""
    chosen: dict[str, object] = {
        # A bound on what is fetched ahead, and no pause of a second whenever that bound is met.
        "queued.max.messages.kbytes": max(16_384, 2 * batch.max_bytes // 1024),
        # Enough to hide the fetching. The client hands records out in the order in which it fetched them, so what is
        # fetched ahead of a partition with a backlog is what the other partitions wait for: some 20 batches.
        "queued.min.messages": max(2 * batch.max_records, min(10_000, 20 * batch.max_records)),
        "max.partition.fetch.bytes": min(1_048_576, max(65_536, 4_096 * batch.max_records)),
        "fetch.queue.backoff.ms": 20,
        # Bounds what a zstd batch unpacks to, too: one that is larger would never be delivered, nor what is behind it.
        "receive.message.max.bytes": LARGEST_MESSAGE,
    }
    if kafka.properties.get("group.protocol") != "consumer":  # there the broker assigns, and refuses a strategy
        chosen["partition.assignment.strategy"] = "cooperative-sticky"
    if kafka.instance_id is not None:
        chosen["group.instance.id"] = kafka.instance_id
    return (
        chosen
        | properties(kafka, "consumer")
        | {
            "group.id": kafka.group_id,
            # Also under `start_from: latest`, see starts.py: the client's own would skip events at every start.
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,  # see ends.py
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "statistics.interval.ms": 1000,
        }
    )


def producer_properties(kafka: KafkaSettings) -> dict[str, object]:
    """Return the properties of a replica's producer."""
    return (
        {"linger.ms": 2}
        | properties(kafka, "producer")
        | {
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.timeout.ms": 0,  # brokers that are away are waited for: nothing is given up while they are
            "message.max.bytes": LARGEST_MESSAGE,
        }
    )


def transaction_properties(kafka: KafkaSettings) -> dict[str, object]:
    """Return the properties of a replica's producer that writes in transactions.

    What a replica that vanished left open holds up readers until it is replaced by one of its name, or for
    `transaction.timeout.ms` and the ten seconds in which brokers look for such.
    """
    # With the default backoff every third small transaction waits for 100 ms.
    chosen: dict[str, object] = {"transaction.timeout.ms": 10_000, "retry.backoff.ms": 10}
    chosen |= producer_properties(kafka)
    del chosen["message.timeout.ms"]  # a write has the time that its transaction has
    # Without a name of its own a replica shares its id with no other, and with nothing in its past.
    return chosen | {"transactional.id": f"{kafka.group_id}-{kafka.instance_id or uuid.uuid4().hex}"}


def within(seconds: float, call: Callable[[], object], left: Callable[[], float] = lambda: math.inf) -> bool:
    """Run a call that may block for longer than we can wait, and return whether it ended in time.

    Args:
        seconds: how long to wait at most.
        call: is left to itself after that.
        left: returns how many seconds are left for everything, which may change meanwhile.
    """
    thread, deadline = threading.Thread(target=call, daemon=True), time.monotonic() + seconds
    thread.start()
    while thread.is_alive() and (remaining := min(deadline - time.monotonic(), left())) > 0:
        thread.join(min(remaining, JOIN_SECONDS))
    return not thread.is_alive()


def settled(ask: Callable[[], Answer], seconds: float) -> Answer:
    """Return an answer about partitions or groups that are known to be there, once nothing of it moves.

    Raises:
        KafkaException: the last error, where something moved for longer than that, or any other error.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except KafkaException as failed:
            if failed.args[0].code() not in MOVING or time.monotonic() >= deadline:
                raise
        time.sleep(TURN_SECONDS)


class LastError:
    """The last error that a client told of by its callback alone.

    librdkafka retries a wrong password or certificate for ever and returns it from no call: only `error_cb` says why.
    """

    def __init__(self, then: Callable[[str], object] = bool) -> None:
        self.text = ""
        self._then = then

    def __call__(self, error: KafkaError) -> None:
        """Keep an error, and pass on what is kept."""
        # "All brokers are down" says less than what came before it.
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self.text:  # noqa: SLF001  librdkafka's own codes are so named
            self.text = foreign(error.str())
        self._then(self.text)
