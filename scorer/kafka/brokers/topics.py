"""Topics as they are, and the dead-letter topic as it should be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

LARGEST_REQUEST = 104_857_600  # of a broker by default, which bounds a record once `max.message.bytes` does not
BATCH_BYTES = 1_000_000  # of the writes that the producer sends together by default, `batch.size`
DEFAULT_BYTES = 1_048_588  # of `max.message.bytes`
SMALL_BYTES = 1_024  # which some predictions exceed
HEADER_BYTES = 65_536  # more than the headers that a dead letter adds
AFTER, BEFORE = "message.timestamp.after.max.ms", "message.timestamp.before.max.ms"
DIFFERENCE = "message.timestamp.difference.max.ms"  # both in one, before Kafka 3.6
ANY_TIME = str(2**63 - 1)


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
    """Return the dead-letter topic as it should be made for these input topics.

    It takes any timestamp. The inputs tell which properties these brokers have for that.
    """
    inputs = list(inputs)
    largest = str(max(LARGEST_REQUEST, largest_dead_letter(inputs)))
    known = {limit for topic in inputs for limit in topic.config}
    limits = [DIFFERENCE] if DIFFERENCE in known and AFTER not in known else [AFTER, BEFORE]
    config = {"retention.ms": "-1", "max.message.bytes": largest} | dict.fromkeys(limits, ANY_TIME)
    return Topic(name, partitions, config=config)


def dead_letter_concerns(topic: Topic, inputs: Iterable[Topic]) -> list[str]:
    """Say, in a sentence each, how a dead-letter topic as it is could lose or refuse dead letters."""
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
            f"{topic.name}: max.message.bytes={largest} is too small for the largest events and the headers of a dead "
            f"letter, and a replica whose dead letter is refused stops; set it to {needed} or more"
        )
    return concerns


def output_concerns(topic: Topic, inputs: Iterable[Topic]) -> list[str]:
    """Say, in a sentence each, how the topic of the predictions as it is could surprise who reads them."""
    concerns = []
    if "compact" in topic.config.get("cleanup.policy", ""):
        concerns.append(
            f"{topic.name}: cleanup.policy={topic.config['cleanup.policy']} keeps only the last prediction of a key "
            "and refuses events without a key, which become dead letters `unwritable`; set cleanup.policy=delete"
        )
    most = max((each.partitions for each in inputs), default=0)
    if topic.partitions < most:
        what = f"{topic.name} has {topic.partitions} partitions, and the input has {most}"
        concerns.append(
            f"{what}: fewer can share the reading, and a key's predictions lie in another partition than its events"
        )
    return concerns


def write_concerns(topics: Iterable[Topic]) -> list[str]:
    """Say, in a sentence each, which topics may refuse every write."""
    limits = [(topic.name, topic.config.get("max.message.bytes", "")) for topic in topics]
    return [
        f"{name}: max.message.bytes={limit} may be less than an ordinary record, and a replica whose topic refuses "
        f"those stops; set it to {DEFAULT_BYTES}"
        for name, limit in limits
        if limit and int(limit) < SMALL_BYTES
    ]


def largest_dead_letter(inputs: Iterable[Topic]) -> int:
    """Return the bytes of the largest dead letter of events that nobody compressed; HEADER_BYTES without an input."""
    return max((int(topic.config.get("max.message.bytes", 0)) for topic in inputs), default=0) + HEADER_BYTES


def _time_concerns(topic: Topic, inputs: Sequence[Topic]) -> list[str]:
    """Say how a topic could refuse or change the timestamp of an event that an input took."""
    if topic.config.get("message.timestamp.type") == "LogAppendTime":
        what = f"{topic.name}: message.timestamp.type=LogAppendTime replaces the event's timestamp in its dead letter"
        return [f"{what}; set message.timestamp.type=CreateTime"]
    concerns = []
    for name in (AFTER, BEFORE, DIFFERENCE):
        limit = topic.config.get(name, ANY_TIME)
        if _refuses(name, int(limit), inputs) and not (name == DIFFERENCE and AFTER in topic.config):
            concerns.append(
                f"{topic.name}: {name}={limit} refuses dead letters of events whose timestamp the input took, and a "
                f"replica whose dead letter is refused stops; set it to {ANY_TIME}"
            )
    return concerns


def _refuses(name: str, limit: int, inputs: Sequence[Topic]) -> bool:
    """Whether a limit refuses what some input takes; an event that is read late is older than when it was taken."""
    if name == AFTER:
        clients = [topic for topic in inputs if topic.config.get("message.timestamp.type") != "LogAppendTime"]
        return any(int(topic.config.get(AFTER, 0)) > limit for topic in clients)
    return limit < int(ANY_TIME) and bool(inputs)
