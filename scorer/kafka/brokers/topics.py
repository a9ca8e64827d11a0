"""Topics, warnings about their properties, and the right properties of the dead-letter topic."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

LARGEST_REQUEST = 104_857_600  # a broker's default limit of a request, which limits a record, too
BATCH_BYTES = 1_000_000  # the producer's default `batch.size`
DEFAULT_BYTES = 1_048_588  # the default of `max.message.bytes`
SMALL_BYTES = 1_024  # some predictions are larger than this
HEADER_BYTES = 65_536  # more than the headers that a dead letter adds
AFTER, BEFORE = "message.timestamp.after.max.ms", "message.timestamp.before.max.ms"
DIFFERENCE = "message.timestamp.difference.max.ms"  # both in one property, before Kafka 3.6
ANY_TIME = str(2**63 - 1)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that exists or is to be created.

    name:       the topic's name.
    partitions: the number of partitions.
    replicas:   the number of replicas of each partition; -1 to create it with the brokers' default.
    config:     the topic's properties; empty if the user may not read them.
    id:         the brokers' id of the topic; a later topic of the same name has another one.
    """

    name: str
    partitions: int
    replicas: int = -1
    config: Mapping[str, str] = field(default_factory=dict)
    id: str = ""


def dead_letter_topic(name: str, partitions: int, inputs: Iterable[Topic]) -> Topic:
    """Return the dead-letter topic to create for these input topics.

    It accepts any timestamp. The properties of the inputs show which of the timestamp properties these brokers have.
    """
    inputs = list(inputs)
    largest = str(max(LARGEST_REQUEST, largest_dead_letter(inputs)))
    known = {limit for topic in inputs for limit in topic.config}
    limits = [DIFFERENCE] if DIFFERENCE in known and AFTER not in known else [AFTER, BEFORE]
    config = {"retention.ms": "-1", "max.message.bytes": largest} | dict.fromkeys(limits, ANY_TIME)
    return Topic(name, partitions, config=config)


def dead_letter_concerns(topic: Topic, inputs: Iterable[Topic]) -> list[str]:
    """Return warnings about how a dead-letter topic could lose or refuse dead letters."""
    inputs = list(inputs)
    concerns = _time_concerns(topic, inputs)
    retention, largest = topic.config.get("retention.ms", "-1"), topic.config.get("max.message.bytes")
    if retention != "-1":
        concerns.append(
            f"{topic.name}: retention.ms={retention} may delete a dead letter at once, since it keeps its event's "
            "timestamp; set retention.ms=-1"
        )
    if "compact" in topic.config.get("cleanup.policy", ""):
        concerns.append(
            f"{topic.name}: cleanup.policy={topic.config['cleanup.policy']} keeps only the last dead letter of a key "
            "and refuses those without a key; set cleanup.policy=delete"
        )
    if largest is not None and int(largest) < (needed := largest_dead_letter(inputs)):
        concerns.append(
            f"{topic.name}: max.message.bytes={largest} is too small for the largest events with the headers of a dead "
            f"letter, and a replica stops when a dead letter is refused; set it to {needed} or more"
        )
    return concerns


def output_concerns(topic: Topic, inputs: Iterable[Topic]) -> list[str]:
    """Return warnings about properties of the output topic that may surprise its consumers."""
    concerns = []
    if "compact" in topic.config.get("cleanup.policy", ""):
        concerns.append(
            f"{topic.name}: cleanup.policy={topic.config['cleanup.policy']} keeps only the last prediction of a key "
            "and refuses events without a key, which become dead letters `unwritable`; set cleanup.policy=delete"
        )
    most = max((each.partitions for each in inputs), default=0)
    if topic.partitions < most:
        what = f"{topic.name} has {topic.partitions} partitions, but the input has {most}"
        concerns.append(
            f"{what}: fewer consumers can share the work, and a key's predictions are in another partition than its "
            "events"
        )
    return concerns


def write_concerns(topics: Iterable[Topic]) -> list[str]:
    """Return warnings about topics that may refuse every write."""
    limits = [(topic.name, topic.config.get("max.message.bytes", "")) for topic in topics]
    return [
        f"{name}: max.message.bytes={limit} may be too small for ordinary records, and a replica stops when they are "
        f"refused; set it to {DEFAULT_BYTES}"
        for name, limit in limits
        if limit and int(limit) < SMALL_BYTES
    ]


def largest_dead_letter(inputs: Iterable[Topic]) -> int:
    """Return the size in bytes of the largest dead letter of an uncompressed event; HEADER_BYTES without an input."""
    return max((int(topic.config.get("max.message.bytes", 0)) for topic in inputs), default=0) + HEADER_BYTES


def _time_concerns(topic: Topic, inputs: Sequence[Topic]) -> list[str]:
    """Return warnings about how a topic could refuse or change the timestamp of an event that an input accepted."""
    if topic.config.get("message.timestamp.type") == "LogAppendTime":
        what = f"{topic.name}: message.timestamp.type=LogAppendTime replaces the event's timestamp in its dead letter"
        return [f"{what}; set message.timestamp.type=CreateTime"]
    concerns = []
    for name in (AFTER, BEFORE, DIFFERENCE):
        limit = topic.config.get(name, ANY_TIME)
        if _refuses(name, int(limit), inputs) and not (name == DIFFERENCE and AFTER in topic.config):
            concerns.append(
                f"{topic.name}: {name}={limit} refuses dead letters of events whose timestamp the input accepted, and "
                f"a replica stops when a dead letter is refused; set it to {ANY_TIME}"
            )
    return concerns


def _refuses(name: str, limit: int, inputs: Sequence[Topic]) -> bool:
    """Whether a limit refuses timestamps that some input accepts; events get older until they are read."""
    if name == AFTER:
        clients = [topic for topic in inputs if topic.config.get("message.timestamp.type") != "LogAppendTime"]
        return any(int(topic.config.get(AFTER, 0)) > limit for topic in clients)
    return limit < int(ANY_TIME) and bool(inputs)
