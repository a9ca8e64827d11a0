"""How we stand with the brokers, from the little that the client tells of it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, Message

SILENT_SECONDS = 10.0  # after which a broker that is asked and does not answer is away, though connected
# Each of these is told once, however long it lasts.
LASTING = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.UNKNOWN_TOPIC_OR_PART,
})  # fmt: skip
Place = tuple[str | None, int | None]
EVERY = None  # partition, of an error that is none of one partition


class BrokerStatus:
    """Passes on why nothing can be read, and the empty text when something can.

    Args:
        condition: told so.
    """

    def __init__(self, condition: Callable[[str], None]) -> None:
        self._condition = condition
        self._refused: dict[Place, str] = {}  # until a record of the same place comes

    def failed(self, message: Message, error: KafkaError) -> None:
        """Note an error that came in the place of a record."""
        if error.code() in LASTING:
            topic = message.topic()  # None for an error of the group, whose partition is then any number
            self._refused[topic, EVERY if topic is None else message.partition()] = error.str()
        self._condition(error.str())

    def arrived(self, messages: Iterable[Message]) -> None:
        """Note that records came."""
        if self._refused:
            for topic, partition in {(message.topic(), message.partition()) for message in messages}:
                for place in ((topic, partition), (topic, EVERY), (None, EVERY)):
                    self._refused.pop(place, None)

    def statistics(self, statistics: Mapping[str, Any]) -> None:
        """Note the client's statistics: the only sign, while no record comes, of brokers that are back or stand still.

        Args:
            statistics: as librdkafka writes them.
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
