"""Calls of a transactional producer, each bounded in time, those included that the client does not bound."""

from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException

from scorer.kafka.client import within

CALL_SECONDS = 5.0  # that one call of the producer may take; the wait for brokers is the pipeline's, as a member


def bounded(call: Callable[[], object]) -> None:
    """Run a call of the client that keeps to its time, but for where it never ends.

    librdkafka's `send_offsets_to_transaction` does not, whatever its timeout, after its broker went while it was idle.

    Raises:
        KafkaException: of the call, or that it took too long; the producer may then not be used again.
    """
    failed: list[KafkaException] = []

    def run() -> None:
        try:
            call()
        except KafkaException as error:
            failed.append(error)

    if not within(2 * CALL_SECONDS + 1, run):
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the client did not answer in time"))  # noqa: SLF001  librdkafka's own codes are so named
    if failed:
        raise failed[0]
