"""Topics as they are, and the dead-letter topic as it should be."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LARGEST_REQUEST = 104_857_600  # of a broker by default, which bounds a record once `max.message.bytes` does not
BATCH_BYTES = 1_000_000  # of the writes that the producer sends together by default, `batch.size`
HEADER_BYTES = 65_536  # more than the headers that a dead letter adds


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is, or as it is to be made.

    name:       its name.
    partitions: how many it has.
    replicas:   of each partition; -1 to make it with the brokers' default.
    config:     its properties; empty where we may not read them.
    id:         the brokers' own, which a topic of the same name that is made later does not have.
    """

    name: str
    partitions: int
    replicas: int = -1
    config: Mapping[str, str] = field(default_factory=dict)
    id: str = ""


def dead_letter_topic(name: str, partitions: int, inputs: Iterable[Topic]) -> Topic:
    """Return the dead-letter topic as it should be made for these input topics."""
    largest = str(max(LARGEST_REQUEST, _largest_dead_letter(inputs)))
    return Topic(name, partitions, config={"retention.ms": "-1", "max.message.bytes": largest})


def dead_letter_concerns(topic: Topic, inputs: Iterable[Topic]) -> list[str]:
    """Say, in a sentence each, how a dead-letter topic as it is could lose or refuse dead letters."""
    concerns = []
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
    if largest is not None and int(largest) < (needed := _largest_dead_letter(inputs)):
        concerns.append(
            f"{topic.name}: max.message.bytes={largest} is too small for the largest events and the headers of a dead "
            f"letter; set it to {needed} or more"
        )
    return concerns


def output_concerns(topic: Topic, inputs: Iterable[Topic]) -> list[str]:
    """Say, in a sentence each, how the topic of the predictions as it is could surprise who reads them."""
    most = max((each.partitions for each in inputs), default=0)
    if topic.partitions >= most:
        return []
    what = f"{topic.name} has {topic.partitions} partitions, and the input has {most}"
    return [f"{what}: fewer can share the reading, and a key's predictions lie in another partition than its events"]


def write_concerns(topics: Iterable[Topic], properties: Mapping[str, str]) -> list[str]:
    """Say, in a sentence each, which topics could refuse what the producer sends at once, records that fit included."""
    given = properties.get("batch.size", "")
    size = int(given) if given.isdecimal() else BATCH_BYTES
    limits = [(topic.name, topic.config.get("max.message.bytes", "")) for topic in topics]
    return [
        f"{name}: max.message.bytes={limit} is less than a request may carry, and a replica whose write is refused "
        f"stops; set batch.size={limit} or less in kafka.properties, or raise it to {size}"
        for name, limit in limits
        if limit and int(limit) < size
    ]


def _largest_dead_letter(inputs: Iterable[Topic]) -> int:
    return max((int(topic.config.get("max.message.bytes", 0)) for topic in inputs), default=0) + HEADER_BYTES
