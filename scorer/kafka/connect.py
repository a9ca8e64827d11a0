"""How a client is made, and what is said when it cannot be or nobody answers."""

from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaException

from scorer.errors import Misconfigured, Problem, Unavailable

Client = TypeVar("Client")


def connect(client: Callable[[dict[str, Any]], Client], properties: dict[str, Any]) -> Client:
    """Make a client; it connects in the background.

    Args:
        client: its class.
        properties: of librdkafka.

    Raises:
        Misconfigured: librdkafka does not know a property, or a value is none that it takes: a missing file, say.
    """
    try:
        return client(properties)
    except KafkaException as refused:
        text = refused.args[0].str()
        raise Misconfigured([Problem("kafka.properties", text, "see the properties of librdkafka")]) from refused


def no_answer(servers: str, reason: str) -> Unavailable:
    """Word an Unavailable: which brokers do not answer, why as far as the client knows, and what to look at."""
    why = reason.partition(" (after ")[0] or "no reason given"
    advice = "check kafka.bootstrap_servers, and security.* and sasl.* in kafka.properties"
    return Unavailable(f"kafka: {servers} does not answer: {why}; {advice}")
