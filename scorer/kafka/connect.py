"""How a client is made, where its own log goes, and what is said when it cannot be made or nobody answers."""

import logging
import re
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from confluent_kafka import KafkaException

from scorer.errors import Misconfigured, Problem, Unavailable
from scorer.redaction import foreign

Client = TypeVar("Client")

TOLD = frozenset({"ERROR", "FAIL"})  # lines of connections that failed: the error callback tells the same
log = structlog.get_logger()


class LibrdkafkaLogger:
    """Takes what librdkafka would print on stderr, over and over while brokers are away, into the log."""

    def log(self, level: int, _form: str, facility: str, client: str, text: str) -> None:
        """Log a line; this is how librdkafka calls a logger of the standard library."""
        said = foreign(text.partition("]: ")[2])  # behind the name of a thread
        log.log(
            logging.DEBUG if facility in TOLD else level, "librdkafka says", what=said, kind=facility, client=client
        )


def connect(client: Callable[[dict[str, Any]], Client], properties: dict[str, Any]) -> Client:
    """Make a client; it connects in the background.

    Args:
        client: its class.
        properties: of librdkafka.

    Raises:
        Misconfigured: librdkafka does not know a property, or a value is none that it takes: a missing file, say.
    """
    try:
        return client({"logger": LibrdkafkaLogger(), **properties})
    except KafkaException as refused:
        text = foreign(re.sub(r"\AFailed to create \w+: ", "", refused.args[0].str()))
        raise Misconfigured([Problem("kafka.properties", text, "see the properties of librdkafka")]) from refused


def no_answer(servers: str, reason: str) -> Unavailable:
    """Word an Unavailable: which brokers do not answer, why as far as the client knows, and what to look at."""
    why = reason.partition(" (after ")[0] or "no reason given"
    advice = "check kafka.bootstrap_servers, and security.* and sasl.* in kafka.properties"
    return Unavailable(f"kafka: {servers} does not answer: {why}; {advice}")
