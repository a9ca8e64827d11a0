"""Detects events that cannot be read yet, because the transaction of another producer is still open.

A consumer with `isolation.level=read_committed` reads up to the last stable offset, below which every transaction has
ended. A producer that hangs or dies in the middle of a transaction silently blocks all events written after it.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from scorer.kafka.offsets import Partition

PATIENCE_SECONDS = 10.0  # most transactions end sooner
NAMED = 3  # the maximum number of partitions that a message names
ADVICE = (
    "find the producer with `kafka-transactions.sh find-hanging` and end it or abort its transaction; the brokers abort"
    " it after that producer's transaction.timeout.ms"
)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wait:
    """A partition that waits for a transaction to end.

    offset:  the last stable offset; all records below it have been fetched.
    records: the number of offsets from there to the end, including those of the transaction.
    since:   the time of the clock at which the wait began.
    """

    offset: int
    records: int
    since: float


class OpenTransactions:
    """Reports partitions that wait at their last stable offset for longer than transactions usually take.

    Args:
        isolation: the consumer's `isolation.level`; None means the client's default, read_committed.
        condition: called with a message, or with the empty text if no partition waits.
        clock: seconds, monotonic.
    """

    def __init__(
        self, isolation: str | None, condition: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._committed_only = isolation != "read_uncommitted"
        self._condition, self._clock = condition, clock
        self._waits: dict[Partition, Wait] = {}
        self._logged_since: float | None = None  # the start of the wait that was logged, until it ends

    def update(self, statistics: Mapping[str, Any], owned: Collection[Partition]) -> None:
        """Compare the client's statistics with the previous ones.

        Args:
            statistics: the parsed JSON of librdkafka.
            owned: the partitions of this replica.
        """
        if not self._committed_only:
            return
        now = self._clock()
        self._waits = {
            place: wait
            for place, said in _partitions(statistics).items()
            if place in owned and (wait := _wait(said, self._waits.get(place), now)) is not None
        }
        long = {place: wait for place, wait in sorted(self._waits.items()) if now - wait.since >= PATIENCE_SECONDS}
        self._log(long, now)
        self._condition(_in_words(long))

    def _log(self, waits: Mapping[Partition, Wait], now: float) -> None:
        if waits and self._logged_since is None:
            (topic, partition), first = next(iter(waits.items()))
            self._logged_since = first.since
            log.warning(
                "events wait behind an open transaction of another producer",
                topic=topic,
                partition=partition,
                offset=first.offset,
                waiting=sum(wait.records for wait in waits.values()),
                partitions=len(waits),
                advice=ADVICE,
            )
        elif not waits and self._logged_since is not None:
            log.info("events no longer wait behind an open transaction", lasted_s=round(now - self._logged_since, 1))
            self._logged_since = None


def _partitions(statistics: Mapping[str, Any]) -> dict[Partition, Mapping[str, Any]]:
    """Return the statistics of each partition; `up` is added and says whether its broker is connected."""
    up = {broker["nodeid"] for broker in statistics["brokers"].values() if broker["state"] == "UP"}
    return {
        (topic, int(number)): said | {"up": said["broker"] in up}
        for topic, of_topic in statistics.get("topics", {}).items()
        for number, said in of_topic["partitions"].items()
    }


def _wait(said: Mapping[str, Any], before: Wait | None, now: float) -> Wait | None:
    """Return the wait of a partition whose stable records have all been fetched; None if it does not wait."""
    if not said["up"]:
        return before  # its statistics are outdated
    offset, end = said["ls_offset"], said["hi_offset"]
    if not 0 <= said["next_offset"] == offset < end:
        return None
    same = before is not None and before.offset == offset
    return Wait(offset, end - offset, before.since if before is not None and same else now)


def _in_words(waits: Mapping[Partition, Wait]) -> str:
    if not waits:
        return ""
    each = [
        f"{topic}-{number} at offset {wait.offset}, {wait.records} record{'s' * (wait.records != 1)} held back"
        for (topic, number), wait in list(waits.items())[:NAMED]
    ]
    more = f" and {len(waits) - NAMED} more partitions" if len(waits) > NAMED else ""
    return f"waiting for an open transaction of another producer to end: {'; '.join(each)}{more}; {ADVICE}"
