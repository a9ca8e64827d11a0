"""What to grant when the brokers deny an operation, in the words of `scorer check`."""

from collections.abc import Sequence

from confluent_kafka import KafkaError
from confluent_kafka.admin import AclOperation  # type: ignore[attr-defined]  # exported, though not as mypy asks for

from scorer.errors import ScorerError
from scorer.kafka.brokers.grants import Grants
from scorer.kafka.brokers.right import IDEMPOTENCE, Right, principal, to_begin, to_join, to_read, to_write
from scorer.kafka.client import given
from scorer.settings import KafkaSettings

ASK_SECONDS = 5.0
CODES = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
})  # fmt: skip


class Denials:
    """Words the errors of brokers about missing rights.

    Args:
        kafka: the user, the topics and the group.
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka

    def text(self, error: KafkaError, topic: str | None = None) -> str:
        """Return which right to grant; for any other error, its own text.

        Args:
            error: the brokers' error.
            topic: the topic that it concerns; None if the error does not say that.
        """
        rights = self._rights(error, topic) if error.code() in CODES else ()
        user, servers = principal(given(self._kafka)), self._kafka.bootstrap_servers
        return "; ".join(right.lacking(user, servers) for right in rights) or error.str()

    def _rights(self, error: KafkaError, topic: str | None) -> Sequence[Right]:
        match error.code():
            case KafkaError.GROUP_AUTHORIZATION_FAILED:
                return [to_join(self._kafka.group_id)]
            case KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                return [to_begin(self._kafka.group_id)]
            case KafkaError.CLUSTER_AUTHORIZATION_FAILED:
                return [IDEMPOTENCE]
            case _ if topic is not None:
                return [self._on(topic)]
            case _:
                return self._missing()

    def _on(self, topic: str) -> Right:
        return to_read(topic) if topic in self._kafka.input_topics else to_write(topic)

    def _missing(self) -> Sequence[Right]:
        """Ask the brokers which right to a topic is missing."""
        kafka = self._kafka
        topics = [*kafka.input_topics, kafka.output_topic, kafka.dead_letter_topic]
        try:
            allowed = Grants(kafka, ASK_SECONDS).on_topics(topics)
        except ScorerError:
            return []
        lacking = []
        for topic in topics:
            needed = AclOperation.READ if topic in kafka.input_topics else AclOperation.WRITE
            if needed not in allowed.get(topic, {needed}):
                lacking.append(self._on(topic))
        return lacking
