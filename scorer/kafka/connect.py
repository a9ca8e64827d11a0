"""Creates clients, logs what they print, and words the errors of clients that cannot be created or get no answer."""

import logging
import re
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaException

from scorer.errors import Misconfigured, Problem, Unavailable
from scorer.security.redaction import foreign

Client = TypeVar("Client")

REPEATED = frozenset({"ERROR", "FAIL"})  # failed connections, which the error callback reports as well
log = structlog.get_logger()


class LibrdkafkaLogger:
    """Writes to the log what librdkafka would print on stderr, repeatedly while brokers are unavailable."""

    def log(self, level: int, _form: str, facility: str, client: str, text: str) -> None:
        """Log a line; this is how librdkafka calls a logger of the standard library."""
        message = foreign(text.partition("]: ")[2])  # after the name of a thread
        severity = logging.DEBUG if facility in REPEATED else level
        log.log(severity, "librdkafka", message=message, facility=facility, client=client)


def connect(client: Callable[[dict[str, Any]], Client], properties: dict[str, Any]) -> Client:
    """Create a client, which connects in the background.

    Args:
        client: the class of the client.
        properties: librdkafka properties.

    Raises:
        Misconfigured: librdkafka does not know a property or refuses a value, such as a missing file.
    """
    try:
        return client({"logger": LibrdkafkaLogger(), **properties})
    except KafkaException as refused:
        text = foreign(re.sub(r"\AFailed to create \w+: ", "", refused.args[0].str()))
        raise Misconfigured([Problem("kafka.properties", text, "see the properties of librdkafka")]) from refused


def no_answer(servers: str, reason: str) -> Unavailable:
    """Return an Unavailable that says which brokers do not answer, why as far as is known, and what to check."""
    why = reason.partition(" (after ")[0] or "no reason given"
    advice = "; check kafka.bootstrap_servers, and security.* and sasl.* in kafka.properties"
    known = "; " in why  # what to fix follows the reason already
    return Unavailable(f"kafka: {servers} does not answer: {why}{'' if known else advice}")
