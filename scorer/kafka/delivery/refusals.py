"""Interprets refused writes: whether the event or the topic is at fault, and which property would accept the write."""

from collections.abc import Callable

from confluent_kafka import KafkaError

from scorer.errors import Fatal
from scorer.kafka.brokers.topics import AFTER, ANY_TIME, BEFORE, DIFFERENCE
from scorer.kafka.delivery.topic_limits import TopicLimits
from scorer.kafka.writes import Write, bytes_of

SIZE_ERRORS = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
# Brokers refuse a whole request, with one error code for all of its records, if only one of them is faulty.
RECORD_ERRORS = SIZE_ERRORS | {KafkaError.INVALID_RECORD, KafkaError.INVALID_TIMESTAMP}
ENVELOPE_BYTES = 256  # the size of a batch of one record, without key, value and headers
UNUSUAL_BYTES = 65_536  # a prediction that exceeds the ordinary size by more is large because of its event
CHECK = "fix the topic first (`scorer check` reports what it can see)"


class Refusals:
    """Judges writes that were refused by themselves, in a request without other records.

    Args:
        limits: the limits of the topics.
        worded: returns the text for an error, given its topic.
    """

    def __init__(
        self,
        limits: TopicLimits,
        worded: Callable[[KafkaError, str], str] = lambda error, _: error.str(),
    ) -> None:
        self._limits, self._worded = limits, worded

    def fault(self, error: KafkaError, prediction: Write, ordinary: int) -> str:
        """Return why a prediction is refused because of its event; empty if the topic refuses all predictions.

        Args:
            error: the brokers' error.
            prediction: the prediction, with the key of its event.
            ordinary: the bytes of a prediction whose event has neither a key nor an id.
        """
        topic, size = prediction["topic"], bytes_of(prediction)
        config = self._limits.config(topic)
        limit = int(config["max.message.bytes"]) if "max.message.bytes" in config else None
        if error.code() in SIZE_ERRORS:
            unusual = size > ordinary + UNUSUAL_BYTES
            fits = unusual if limit is None else ordinary + ENVELOPE_BYTES <= limit < size + ENVELOPE_BYTES
            taken = "" if limit is None else f" (max.message.bytes={limit})"
            return f"its prediction has {size:,} bytes with its key, more than topic {topic} takes{taken}" * fits
        compacted = "compact" in config.get("cleanup.policy", "compact")
        if error.code() == KafkaError.INVALID_RECORD and prediction["key"] is None and compacted:
            return f"its prediction has no key, which topic {topic} does not take since it is compacted"
        return ""

    def is_to_be_cut(self, error: KafkaError, letter: Write) -> bool:
        """Whether a dead letter is larger than the inputs allow, so its event was only accepted compressed."""
        return error.code() in SIZE_ERRORS and bytes_of(letter) > self._limits.largest_letter()

    def fatal(self, error: KafkaError, write: Write, what: str) -> Fatal:
        """Return the error that stops the replica.

        Args:
            error: the brokers' error.
            write: the refused write.
            what: its description, such as "the dead letter of flights-0@17".
        """
        return Fatal(
            f"the brokers refused a write: {self._worded(error, write['topic'])}: {what} in topic {write['topic']}; "
            f"{self._advice(error, write)}. Nothing from there on was committed, so those events are scored again at "
            "the next start"
        )

    def _advice(self, error: KafkaError, write: Write) -> str:
        config = self._limits.config(write["topic"]) if error.code() in RECORD_ERRORS else {}
        if error.code() in SIZE_ERRORS:
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
