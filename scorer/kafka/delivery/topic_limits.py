"""What the topics and the brokers take, asked when it matters: a limit may have changed since the last write."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from scorer.errors import ScorerError
from scorer.kafka.brokers.admin import Admin
from scorer.kafka.brokers.topics import LARGEST_REQUEST, largest_dead_letter
from scorer.settings import KafkaSettings

ASK_SECONDS = 5.0


class TopicLimits:
    """The limits of the topics of one configuration. An answer that we may not have, or not now, is empty or None.

    Args:
        kafka: the topics, and where the brokers are.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    def config(self, topic: str) -> Mapping[str, str]:
        """Return the properties of a topic, as they are now."""
        try:
            return self._admin.topics([topic])[topic].config
        except (ScorerError, KeyError):
            return {}

    def message_bytes(self, topic: str) -> int | None:
        """Return the largest batch of records, as it is sent, that a topic takes."""
        limit = self.config(topic).get("max.message.bytes")
        return None if limit is None else int(limit)

    def request_bytes(self, topics: Iterable[int]) -> int:
        """Return the largest request that the brokers take; on a larger one they close the connection without a word.

        Args:
            topics: limits of topics, which show what to expect where we may not read that of the brokers.
        """
        try:
            limit = self._admin.cluster().config.get("socket.request.max.bytes")
        except ScorerError:
            limit = None
        return max([LARGEST_REQUEST, *topics]) if limit is None else int(limit)

    def largest_letter(self) -> int:
        """Return the bytes of the largest dead letter of an event that nobody compressed."""
        try:
            inputs = list(self._admin.topics(self._kafka.input_topics).values())
        except ScorerError:
            inputs = []
        known = any("max.message.bytes" in topic.config for topic in inputs)
        return largest_dead_letter(inputs) if known else LARGEST_REQUEST

    @cached_property
    def _admin(self) -> Admin:
        return Admin(self._kafka, ASK_SECONDS)
