"""What it means that the brokers refuse a write: whose fault that is, and which property would let it in."""

from confluent_kafka import KafkaError

from scorer.errors import Fatal
from scorer.kafka.brokers.topics import AFTER, ANY_TIME, BEFORE, DIFFERENCE
from scorer.kafka.delivery.topic_limits import TopicLimits
from scorer.kafka.writes import Write, bytes_of

OF_SIZE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
# Brokers refuse a request as a whole, with one code for all of its records, for what may be wrong with one of them.
OF_RECORD = OF_SIZE | {KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP}
ENVELOPE_BYTES = 256  # of a batch of one record, around its key, value and headers
UNUSUAL_BYTES = 65_536  # a prediction that is so much larger than it has to be owes that to its event
CHECK = "first mend the topic (`scorer check` says what it can see)"


class Refusals:
    """Judges writes that were refused when nothing else was in their request.

    Args:
        limits: of the topics.
    """

    def __init__(self, limits: TopicLimits) -> None:
        self._limits = limits

    def fault(self, error: KafkaError, prediction: Write, ordinary: int) -> str:
        """Return why a prediction is refused for its event's sake; empty where the topic would refuse any.

        Args:
            error: the brokers' answer.
            prediction: with the key of its event.
            ordinary: bytes of a prediction whose event has neither a key nor an id.
        """
        topic, size = prediction["topic"], bytes_of(prediction)
        config = self._limits.config(topic)
        limit = int(config["max.message.bytes"]) if "max.message.bytes" in config else None
        if error.code() in OF_SIZE:
            unusual = size > ordinary + UNUSUAL_BYTES
            fits = unusual if limit is None else ordinary + ENVELOPE_BYTES <= limit < size + ENVELOPE_BYTES
            taken = "" if limit is None else f" (max.message.bytes={limit})"
            return f"its prediction has {size:,} bytes with its key, more than topic {topic} takes{taken}" * fits
        compacted = "compact" in config.get("cleanup.policy", "compact")
        if error.code() == KafkaError.INVALID_RECORD and prediction["key"] is None and compacted:
            return f"its prediction has no key, which topic {topic} does not take since it is compacted"
        return ""

    def is_to_be_cut(self, error: KafkaError, letter: Write) -> bool:
        """Whether a dead letter is larger than all that the inputs take, so compression let its event in."""
        return error.code() in OF_SIZE and bytes_of(letter) > self._limits.largest_letter()

    def fatal(self, error: KafkaError, write: Write, what: str) -> Fatal:
        """Return the error that ends the replica.

        Args:
            error: the brokers' answer.
            write: what they refused.
            what: the same in words, such as "the dead letter of flights-0@17".
        """
        return Fatal(
            f"the brokers refused a write: {error.str()}: {what} in topic {write['topic']}; "
            f"{self._advice(error, write)}. Nothing from there on was committed, so those events are scored again at "
            "the next start"
        )

    def _advice(self, error: KafkaError, write: Write) -> str:
        config = self._limits.config(write["topic"]) if error.code() in OF_RECORD else {}
        if error.code() in OF_SIZE:
            needed, limit = bytes_of(write) + ENVELOPE_BYTES, config.get("max.message.bytes", "too small")
            return f"max.message.bytes is {limit}; set it to {needed} or more"
        if error.code() == KafkaError.INVALID_TIMESTAMP:
            told = ", ".join(f"{name}={config[name]}" for name in (AFTER, BEFORE, DIFFERENCE) if name in config)
            names = told or f"{AFTER} and {BEFORE} ({DIFFERENCE} before Kafka 3.6)"
            time = f"its timestamp is {write['timestamp']} (milliseconds); " if "timestamp" in write else ""
            return f"{time}set {names} to {ANY_TIME}"
        if error.code() == KafkaError.INVALID_RECORD and write["key"] is None:
            policy = config.get("cleanup.policy", "compact")
            return f"it has no key, and cleanup.policy is {policy}; set cleanup.policy=delete"
        return CHECK
