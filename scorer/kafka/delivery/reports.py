"""Delivery reports of writes that are numbered: counted, with the errors of those that failed."""

from confluent_kafka import KafkaError, Message

from scorer.kafka.delivery.published import Report


class Reports:
    """The delivery reports of some writes, such as those of one transaction.

    The callbacks call no methods, because they may run while an error of the client is being raised.

    Attributes:
        expected: how many writes were passed to the client; the caller counts them.
        failed: the number and the error of each write that failed, in the order of the reports.
    """

    def __init__(self) -> None:
        self.expected = self._came = 0
        self.failed: list[tuple[int, KafkaError]] = []

    @property
    def settled(self) -> bool:
        """Whether the report of every write has arrived. Reports are counted: an empty queue proves nothing."""
        return self._came >= self.expected

    def of(self, write: int) -> Report:
        """Return the delivery callback of the write with this number."""

        def report(error: KafkaError | None, _: Message | None) -> None:
            self._came += 1
            if error is not None:
                self.failed.append((write, error))

        return report
