"""Calls of a transactional producer, each bounded in time, those included that the client does not bound."""

import math
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException

from scorer.kafka.client import within

CALL_SECONDS = 5.0  # that one call of the producer may take; the wait for brokers is the pipeline's, as a member


def bounded(
    call: Callable[[], object], seconds: float = CALL_SECONDS, left: Callable[[], float] = lambda: math.inf
) -> None:
    """Run a call of the client that keeps to its time of so many seconds, except where it never ends.

    librdkafka's `send_offsets_to_transaction` never ends, whatever its timeout, if its broker went while it was idle.

    Args:
        call: what to run.
        seconds: the timeout that the call was given.
        left: returns the seconds that this replica has left to stop; no call is waited for beyond them.

    Raises:
        KafkaException: of the call, or that it took too long; the producer may then not be used again.
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
