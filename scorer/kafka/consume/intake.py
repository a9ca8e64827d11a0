"""Gathers the records of a batch, in steps so small that their keys and headers fit into memory, whatever they are.

The client unpacks the headers of a record when it hands it over, into some sixty bytes for each: a record of a megabyte
may take thirty. It counts neither headers nor keys when it bounds what it fetches.
"""

import random
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Message

from scorer.kafka.consume.pace import BUSY_SECONDS, IDLE_SECONDS, Pace
from scorer.kafka.headers import headers_of
from scorer.settings import BatchSettings

Take = Callable[[int, float], int]

STEP = 32  # records that are taken before anybody looks how large they are
LONGEST_STEP = 512  # where all that was looked at was small: each step costs a call of the client
SMALL_BYTES = 4_096
HEADER_BYTES = 100  # that a header takes beside its text


class Intake:
    """What is taken for one batch, weighed by samples: to weigh each record might cost more than to score it.

    Args:
        batch: the limits of one.
    """

    def __init__(self, batch: BatchSettings) -> None:
        self._max_records, self._max_bytes, self._pace = batch.max_records, batch.max_bytes, Pace(batch)
        self._bytes = 0
        self._each = 1  # bytes of the last sample
        self._stride = STEP
        self.batch_started = self._pace.batch_started

    def gather(self, take: Take, held: Callable[[], int], *, busy: bool, settled: bool) -> None:
        """Have the records of a batch taken, unless some are held.

        Args:
            take: takes at most so many records within some seconds, and returns how many came.
            held: how many are held.
            busy: whether something else is to be done soon, so that nothing is waited for.
            settled: whether partitions are assigned and read; until they are, this returns soon, so that they can be.
        """
        self._pace.batch_done()
        if held():
            return
        self._bytes = 0
        always_waits = self._pace.fixed and settled
        if not always_waits:
            self._fill(take, held, 0)
            if not held():
                take(1, BUSY_SECONDS if busy else IDLE_SECONDS)
        if held() or always_waits:
            self._fill(take, held, self._pace.wait_seconds)

    def _fill(self, take: Take, held: Callable[[], int], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while step := self._step(held()):
            if take(step, max(0.0, deadline - time.monotonic())) < step:
                return

    def _step(self, held: int) -> int:
        """Return how many records may be taken next; 0 where the batch is full."""
        if held and self._bytes >= self._max_bytes:
            return 0
        return max(0, min(self._max_records - held, self._stride, self.rows))

    @property
    def rows(self) -> int:
        """The most records of a batch, where they are as large as the last sample."""
        return max(1, self._max_bytes // self._each)

    def weigh(self, messages: Sequence[Message]) -> None:
        """Take note of what was taken."""
        if messages:
            # One is enough: on average STEP large records are taken before one is met, whatever their share.
            self._each = _bytes(messages[random.randrange(len(messages))])  # noqa: S311  no secret
            self._bytes += self._each * len(messages)
            self._stride = min(2 * self._stride, LONGEST_STEP) if self._each < SMALL_BYTES else STEP


def _bytes(message: Message) -> int:
    """Return what a record takes beside its value, which the client counts itself."""
    held = sum(HEADER_BYTES + len(name) + len(value or b"") for name, value in headers_of(message))
    return 1 + len(message.key() or b"") + held
