"""Bounds the time of calls to a transactional producer, including those that ignore their timeout."""

import math
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException

from scorer.kafka.client import within

CALL_SECONDS = 5.0  # the timeout of one call; the pipeline waits longer for brokers, and stays in the group meanwhile


def bounded(
    call: Callable[[], object], seconds: float = CALL_SECONDS, left: Callable[[], float] = lambda: math.inf
) -> None:
    """Run a call of the client, and give up if it takes much longer than its timeout.

    librdkafka's `send_offsets_to_transaction` ignores its timeout, and never returns if its broker became unavailable
    while the client was idle.

    Args:
        call: the call.
        seconds: the timeout that was passed to the call.
        left: returns the seconds until this replica must have stopped, which also limits the wait.

    Raises:
        KafkaException: the call failed, or took too long; the producer must then not be used again.
    """
    failed: list[KafkaException] = []

    def run() -> None:
        try:
            call()
        except KafkaException as error:
            failed.append(error)

    if not within(2 * seconds + 1, run, left):
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the client did not answer in time"))  # noqa: SLF001  librdkafka's own codes are so named
    if failed:
        raise failed[0]
