"""The size limits of topics and brokers, requested when needed, since a limit may change at any time."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from scorer.errors import ScorerError
from scorer.kafka.brokers.admin import Admin
from scorer.kafka.brokers.topics import LARGEST_REQUEST, largest_dead_letter
from scorer.settings import KafkaSettings

ASK_SECONDS = 5.0


class TopicLimits:
    """The limits of the topics of one configuration; empty or None if the brokers refuse to answer or are unavailable.

    Args:
        kafka: the topics and the brokers.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    def config(self, topic: str) -> Mapping[str, str]:
        """Return the current properties of a topic."""
        try:
            return self._admin.topics([topic])[topic].config
        except (ScorerError, KeyError):
            return {}

    def message_bytes(self, topic: str) -> int | None:
        """Return the largest batch of records that a topic accepts, in bytes, after compression."""
        limit = self.config(topic).get("max.message.bytes")
        return None if limit is None else int(limit)

    def request_bytes(self, topics: Iterable[int]) -> int:
        """Return the largest request in bytes that the brokers accept; on a larger one they silently disconnect.

        Args:
            topics: the limits of topics, from which to estimate if we may not read the brokers' limit.
        """
        try:
            limit = self._admin.cluster().config.get("socket.request.max.bytes")
        except ScorerError:
            limit = None
        return max([LARGEST_REQUEST, *topics]) if limit is None else int(limit)

    def largest_letter(self) -> int:
        """Return the bytes of the largest dead letter of an event that was sent without compression."""
        try:
            inputs = list(self._admin.topics(self._kafka.input_topics).values())
        except ScorerError:
            inputs = []
        known = any("max.message.bytes" in topic.config for topic in inputs)
        return largest_dead_letter(inputs) if known else LARGEST_REQUEST

    @cached_property
    def _admin(self) -> Admin:
        return Admin(self._kafka, ASK_SECONDS)
