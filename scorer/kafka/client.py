"""The configuration of the Kafka clients: consumers, producers and admin clients."""

import functools
import math
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from confluent_kafka import KafkaError, KafkaException

from scorer.errors import Misconfigured, Problem
from scorer.kafka.handshake import Handshakes, is_hopeless
from scorer.security.redaction import foreign
from scorer.security.rotation import SecretFile
from scorer.settings import BatchSettings, KafkaSettings, secrets_in

Role = Literal["consumer", "producer", "admin"]
Answer = TypeVar("Answer")

# Errors of brokers while partitions and groups move between them, or are new to them: retry.
MOVING = frozenset({
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH,
})  # fmt: skip
POLL_SECONDS = 0.05
JOIN_SECONDS = 0.5

# librdkafka accepts any property for any client, but logs a warning if it does not apply.
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
# The client's own limit on a message is off, since a dead letter may be as large as the input topic allows.
LARGEST_MESSAGE = 1_000_000_000
FOREIGN = {"consumer": PRODUCER_ONLY, "producer": CONSUMER_ONLY, "admin": CONSUMER_ONLY | PRODUCER_ONLY}


def properties(kafka: KafkaSettings, role: Role) -> dict[str, object]:
    """Return the librdkafka properties of one client: the user's properties for its role, and the brokers."""
    chosen = {name: value for name, value in given(kafka).items() if name not in FOREIGN[role]}
    return {"client.id": f"scorer-{kafka.group_id}", **chosen, "bootstrap.servers": kafka.bootstrap_servers}


def given(kafka: KafkaSettings) -> dict[str, str]:
    """Return the user's properties, including those in files.

    Raises:
        Misconfigured: with every file that is missing or empty.
    """
    chosen, problems = dict(kafka.properties), list[Problem]()
    for name in kafka.property_files:
        try:
            chosen[name] = property_file(kafka, name)
        except Misconfigured as error:
            problems += error.problems
    if problems:
        raise Misconfigured(problems)
    return chosen


def property_file(kafka: KafkaSettings, name: str) -> str:
    """Return the value of a property that is in a file.

    Raises:
        Misconfigured: there is no such file, or it is empty.
    """
    return _file(kafka.property_files[name], name).read()


@functools.cache
def _file(path: Path, name: str) -> SecretFile:
    """Return the file of a property; a user's name or a number is no secret, and would mask ordinary words."""
    secrets = functools.partial(secrets_in, ("kafka", "properties", name))
    return SecretFile(path, f"kafka.property_files.{name}", secrets)


def consumer_properties(kafka: KafkaSettings, batch: BatchSettings) -> dict[str, object]:
    """Return the properties of a replica's consumer for batches of the given size."""
    chosen: dict[str, object] = {
        # Limits prefetching. With `fetch.queue.backoff.ms` below, the client does not pause for a second at this limit.
        "queued.max.messages.kbytes": max(16_384, 2 * batch.max_bytes // 1024),
        # Enough to hide the time to fetch. The client returns records in the order in which it fetched them, so the
        # records prefetched from a partition with a backlog delay the other partitions, by about 20 batches.
        "queued.min.messages": max(2 * batch.max_records, min(10_000, 20 * batch.max_records)),
        "max.partition.fetch.bytes": min(1_048_576, max(65_536, 4_096 * batch.max_records)),
        "fetch.queue.backoff.ms": 20,
        # This also limits the size of an unpacked zstd batch: a larger one would block its partition for ever.
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
            # Even under `start_from: latest` (see starts.py): the client's `latest` would skip events at every start.
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,  # see ends.py
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "statistics.interval.ms": 1000,
        }
    )


def reader_properties(kafka: KafkaSettings) -> dict[str, object]:
    """Return the properties of a consumer that reads topics without joining the group or committing."""
    chosen = {"log_level": 0, "receive.message.max.bytes": LARGEST_MESSAGE, **properties(kafka, "consumer")}
    for membership in ("group.instance.id", "group.protocol", "group.remote.assignor"):
        chosen.pop(membership, None)
    return chosen | {
        "group.id": kafka.group_id,  # the client requires it, but the group is never joined
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "isolation.level": "read_committed",  # aborted records do not count
        "auto.offset.reset": "earliest",  # if retention has deleted the position meanwhile
    }


def producer_properties(kafka: KafkaSettings) -> dict[str, object]:
    """Return the properties of a replica's producer."""
    return (
        {"linger.ms": 2}
        | properties(kafka, "producer")
        | {
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.timeout.ms": 0,  # no timeout: writes wait for unavailable brokers
            "message.max.bytes": LARGEST_MESSAGE,
        }
    )


def transaction_properties(kafka: KafkaSettings) -> dict[str, object]:
    """Return the properties of a replica's transactional producer.

    The open transaction of a replica that crashed delays consumers until a replica of the same name replaces it, or for
    `transaction.timeout.ms` plus up to ten seconds, the interval at which brokers look for timed-out transactions.
    """
    # With the default backoff, every third small transaction waits for 100 ms.
    chosen: dict[str, object] = {"transaction.timeout.ms": 10_000, "retry.backoff.ms": 10}
    chosen |= producer_properties(kafka)
    del chosen["message.timeout.ms"]  # a write has the timeout of its transaction
    # Without an instance_id, each start gets a new random id.
    return chosen | {"transactional.id": f"{kafka.group_id}-{kafka.instance_id or uuid.uuid4().hex}"}


def within(seconds: float, call: Callable[[], object], left: Callable[[], float] = lambda: math.inf) -> bool:
    """Run a call in a thread, and return whether it ended in time.

    Args:
        seconds: how long to wait.
        call: the call, which keeps running in its thread if it takes longer.
        left: returns the seconds until an outer deadline, which may change during the call.
    """
    thread, deadline = threading.Thread(target=call, daemon=True), time.monotonic() + seconds
    thread.start()
    while thread.is_alive() and (remaining := min(deadline - time.monotonic(), left())) > 0:
        thread.join(min(remaining, JOIN_SECONDS))
    return not thread.is_alive()


def settled(ask: Callable[[], Answer], seconds: float) -> Answer:
    """Ask about partitions or groups that exist, and retry while they move between brokers.

    Raises:
        KafkaException: they moved for longer than `seconds`, or any other error.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return ask()
        except KafkaException as failed:
            if failed.args[0].code() not in MOVING or time.monotonic() >= deadline:
                raise
        time.sleep(POLL_SECONDS)


class LastError:
    """The last error that a client reported to its `error_cb`, with what to fix.

    text: the error; empty if there was none.
    hopeless: whether someone has to fix a setting, a certificate or a password: waiting does not help.

    librdkafka retries a wrong password or certificate for ever, and no call returns the error: only `error_cb` gets it.
    """

    def __init__(self, then: Callable[[str], object] = bool, kafka: KafkaSettings | None = None) -> None:
        self.text, self.hopeless = "", False
        self._then = then
        self._handshakes = Handshakes(given(kafka), kafka.bootstrap_servers) if kafka else Handshakes({}, "")

    def __call__(self, error: KafkaError) -> None:
        """Keep an error, and pass the kept text on."""
        # "All brokers are down" says less than what came before it.
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001  librdkafka's own codes are so named
            self.text = self._handshakes.explained(foreign(error.str()))
            self.hopeless = self.hopeless or is_hopeless(error.code(), error.str())
        elif not self.text:
            why = self._handshakes.silent()
            self.text, self.hopeless = why or foreign(error.str()), bool(why)
        self._then(self.text)
