"""Gathers the records of a batch, in steps that are small enough for their keys and headers to fit into memory.

The client unpacks the headers of a record when it returns it, and needs some sixty bytes for each: a record of one
megabyte may take thirty. The client's limits on fetching count neither headers nor keys.
"""

import random
import time
from collections.abc import Callable, Sequence

from confluent_kafka import Message

from scorer.kafka.consume.pace import BUSY_SECONDS, IDLE_SECONDS, Pace
from scorer.kafka.headers import headers_of
from scorer.settings import BatchSettings

Take = Callable[[int, float], int]

STEP = 32  # records to take before their size is sampled
LONGEST_STEP = 512  # records to take while all samples are small: each step costs a call of the client
SMALL_BYTES = 4_096
HEADER_BYTES = 100  # memory of a header in addition to its text


class Intake:
    """Takes the records of one batch, and samples their sizes: measuring each might cost more than scoring it.

    Args:
        batch: the limits of a batch.
    """

    def __init__(self, batch: BatchSettings) -> None:
        self._max_records, self._max_bytes, self._pace = batch.max_records, batch.max_bytes, Pace(batch)
        self._bytes = 0
        self._each = 1  # bytes of the last sample
        self._stride = STEP
        self._begun = False  # whether what is buffered is the beginning of a batch, taken by `gather_ahead`
        self.batch_started = self._pace.batch_started

    def gather(self, take: Take, buffered: Callable[[], int], *, busy: bool, settled: bool) -> None:
        """Take the records of a batch, unless some are buffered.

        Args:
            take: takes a maximum number of records within some seconds, and returns how many arrived.
            buffered: returns how many records are buffered.
            busy: whether other work is due soon, so that this does not wait.
            settled: whether partitions are assigned and none is paused; until then this returns soon, so that the
                assignment can make progress.
        """
        self._pace.batch_done()
        if buffered() and not self._begun:
            return
        if not self._begun:
            self._bytes = 0
        self._begun = False
        always_waits = self._pace.fixed and settled
        if not always_waits:
            self._fill(take, buffered, 0)
            if not buffered():
                take(1, BUSY_SECONDS if busy else IDLE_SECONDS)
        if buffered() or always_waits:
            self._fill(take, buffered, self._pace.wait_seconds)

    def gather_ahead(self, take: Take, buffered: Callable[[], int]) -> bool:
        """Take the records that are there while another batch is in hand; return whether they fill a batch.

        If they do not, the next `gather` goes on with them.
        """
        if buffered():
            return False
        self._bytes, self._begun = 0, True
        self._fill(take, buffered, 0)
        self._begun = not self.full(buffered())
        return not self._begun

    def begin(self, records: int) -> bool:
        """Let the next `gather` go on with what is taken until then; return whether it is a batch already.

        Args:
            records: how many are buffered.
        """
        if not records:
            self._bytes, self._begun = 0, True
        return self.full(records) if self._begun else bool(records)

    def full(self, records: int) -> bool:
        """Whether a batch with this many records, the last ones taken, has no room for another record."""
        return not self._step(records)

    def _fill(self, take: Take, buffered: Callable[[], int], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while step := self._step(buffered()):
            if take(step, max(0.0, deadline - time.monotonic())) < step:
                return

    def _step(self, buffered: int) -> int:
        """Return how many records may be taken next; 0 if the batch is full."""
        if buffered and self._bytes >= self._max_bytes:
            return 0
        return max(0, min(self._max_records - buffered, self._stride, self.rows))

    @property
    def rows(self) -> int:
        """The maximum number of records in a batch, if all are as large as the last sample."""
        return max(1, self._max_bytes // self._each)

    def weigh(self, messages: Sequence[Message]) -> None:
        """Sample the size of records that were taken."""
        if messages:
            # One sample is enough: on average STEP large records are taken before one is sampled, whatever their share.
            self._each = _bytes(messages[int(random.random() * len(messages))])  # noqa: S311  no secret
            self._bytes += self._each * len(messages)
            self._stride = min(2 * self._stride, LONGEST_STEP) if self._each < SMALL_BYTES else STEP


def _bytes(message: Message) -> int:
    """Return the memory of a record in bytes, without its value, which the client counts itself."""
    headers = sum(HEADER_BYTES + len(name) + len(value or b"") for name, value in headers_of(message))
    return 1 + len(message.key() or b"") + headers
