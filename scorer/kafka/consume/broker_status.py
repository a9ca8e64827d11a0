"""The status of the connection to the brokers, derived from errors, records and the client's statistics."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, Message

SILENT_SECONDS = 10.0  # a connected broker that leaves a request unanswered for so long counts as unavailable
# The client reports each of these errors once, however long it lasts.
LASTING = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART,
})  # fmt: skip
Place = tuple[str | None, int | None]
EVERY = None  # the partition of an error that concerns all partitions


class BrokerStatus:
    """Reports why no records can be read.

    Args:
        condition: called with the reason, or with the empty text when records can be read.
        worded: returns the text for an error, given its topic if it has one.
    """

    def __init__(
        self,
        condition: Callable[[str], None],
        worded: Callable[[KafkaError, str | None], str] = lambda error, _: error.str(),
    ) -> None:
        self._condition, self._worded = condition, worded
        self._refused: dict[Place, str] = {}  # lasting errors, each until a record arrives from the same place
        self._known = False

    def failed(self, message: Message, error: KafkaError) -> None:
        """Note an error that the client delivered instead of a record."""
        self._known = True
        topic = message.topic()  # None for an error of the group; the partition is then meaningless
        text = self._worded(error, topic)
        if error.code() in LASTING:
            self._refused[topic, EVERY if topic is None else message.partition()] = text
        self._condition(text)

    def arrived(self, messages: Sequence[Message]) -> None:
        """Note that records arrived."""
        if self._refused:
            for topic, partition in {(message.topic(), message.partition()) for message in messages}:
                for place in ((topic, partition), (topic, EVERY), (None, EVERY)):
                    self._refused.pop(place, None)
        if messages and not self._known:  # the first statistics may come later
            self._known = True
            self._condition("")

    def statistics(self, statistics: Mapping[str, Any]) -> None:
        """Note the client's statistics.

        While no records arrive, only the statistics show that brokers are available again, or do not respond.

        Args:
            statistics: the parsed JSON of librdkafka.
        """
        if self._refused:
            return self._condition("; ".join(sorted(set(self._refused.values()))))
        connected = [broker for broker in statistics["brokers"].values() if broker["state"] == "UP"]
        if connected:
            silent = f"connected, and silent for {SILENT_SECONDS:g} seconds"
            self._condition("" if any(map(_answers, connected)) else silent)
        return None


def _answers(broker: Mapping[str, int]) -> bool:
    return broker["waitresp_cnt"] == 0 or broker["rxidle"] < SILENT_SECONDS * 1e6
