"""Makes dead letters (the event unchanged, with the reason in headers), and limits their share."""

from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from scorer.batch import Reason, Records, Rejected
from scorer.errors import Fatal
from scorer.kafka.headers import MOST_HEADERS, Headers, headers_of
from scorer.kafka.writes import CUT, PREFIX, Write

OUR_HEADERS = 10  # most headers that a dead letter adds


class DeadLetters:
    """Makes the dead letters of a replica.

    Args:
        topic: the dead-letter topic.
        model: the model's name.
        version: the version in a dead letter whose row was offered to none.
    """

    def __init__(self, topic: str, model: str, version: str) -> None:
        self._topic, self._model, self.version = topic, model.encode(), version

    def write(self, records: Records, rejected: Rejected) -> Write:
        """Return the dead letter of a row: value, key, timestamp and headers of the event, then our headers.

        Args:
            records: the batch, with the client's messages in `originals`.
            rejected: the row, and why it cannot be scored.
        """
        row = rejected.row
        headers, left_out = _headers(records, row)
        event = cast("Message", records.originals[row])
        letter = Write(
            topic=self._topic,
            value=event.value(),
            key=event.key(),
            headers=[*headers, *self.own_headers(records, rejected), *left_out],
        )
        kind, milliseconds = event.timestamp()
        if kind != TIMESTAMP_NOT_AVAILABLE:
            letter["timestamp"] = milliseconds
        return letter

    def own_headers(self, records: Records, rejected: Rejected) -> list[tuple[str, bytes]]:
        """Return the headers that a dead letter has besides those of its event."""
        row = rejected.row
        ours = {
            "reason": rejected.reason.encode(),
            "detail": rejected.detail.encode(errors="replace"),
            "topic": records.topics[records.topic[row]].encode(),
            "partition": b"%d" % records.partition[row],
            "offset": b"%d" % records.offset[row],
            "model": self._model,
            "version": rejected.version.encode() or self.version.encode(),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").encode(),
        }
        return [(PREFIX + name, value) for name, value in ours.items()]


def _headers(records: Records, row: int) -> tuple[Headers, Headers]:
    """Return the headers of an event that fit into a dead letter, and a header that says which do not."""
    headers = headers_of(cast("Message", records.originals[row]))
    most = MOST_HEADERS - OUR_HEADERS
    if len(headers) > most:
        return headers[:most], ((CUT, f"headers: the first {most} of {len(headers)}".encode()),)
    return headers, ()


class DeadLetterLimit:
    """Stops a replica with a wrong schema or model before it turns a whole topic into dead letters.

    Args:
        ratio: the highest share of dead letters among the last records, 0 to 1; None for no limit.
        window: the number of last records; until that many were read, the missing ones count as good.

    `exempt` names versions whose dead letters do not count: canaries, which are withdrawn before a replica stops.
    """

    def __init__(self, ratio: float | None, window: int) -> None:
        self._ratio, self._window = ratio, window
        self.exempt = frozenset[str]()
        self._batches: deque[tuple[object, int, Counter[Reason]]] = deque()  # first record, records, dead letters
        self._records = 0
        self._letters: Counter[Reason] = Counter()

    def check(self, records: Records, rejected: Sequence[Rejected]) -> None:
        """Count a batch that is about to be published; a batch that is retried counts once.

        Raises:
            Fatal: there are too many dead letters.
        """
        if self._ratio is None:
            return
        first = records.topic[0], records.partition[0], records.offset[0]
        if self._batches and self._batches[-1][0] == first:
            self._drop(self._batches.pop())
        counted = Counter(each.reason for each in rejected if each.version not in self.exempt)
        self._batches.append((first, len(records), counted))
        self._records += len(records)
        self._letters.update(self._batches[-1][2])
        while self._records - self._batches[0][1] >= self._window:
            self._drop(self._batches.popleft())
        self._require_few(self._ratio, rejected)

    def add(self, rejected: Rejected) -> None:
        """Count one more dead letter in the batches that were checked.

        Raises:
            Fatal: there are too many dead letters.
        """
        if self._ratio is None or not self._batches:
            return
        self._batches[-1][2][rejected.reason] += 1
        self._letters[rejected.reason] += 1
        self._require_few(self._ratio, [rejected])

    def _require_few(self, ratio: float, rejected: Sequence[Rejected]) -> None:
        if self._letters.total() > ratio * max(self._records, self._window):
            raise Fatal(self._explain(rejected))

    def _drop(self, batch: tuple[object, int, Counter[Reason]]) -> None:
        self._records -= batch[1]
        self._letters.subtract(batch[2])

    def _explain(self, rejected: Sequence[Rejected]) -> str:
        (reason, number), *_ = self._letters.most_common()
        detail = next((f" (such as: {each.detail})" for each in rejected if each.reason == reason), "")
        records, of = f"{self._records:,}", max(self._records, self._window)
        return (
            f"{self._letters.total():,} of the last {records} records cannot be scored, {number:,} of them because of "
            f"'{reason}'{detail}. This exceeds kafka.max_dead_letter_ratio ({self._ratio:g} of {of:,}). The current "
            "batch was not published or committed. Fix the schema, the model or the producer, or raise the ratio"
        )
