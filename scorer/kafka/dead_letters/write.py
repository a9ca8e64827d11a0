"""The record published for an event that cannot be scored: the event unchanged, and why; and when it is too many."""

from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from scorer.batch import Reason, Records, Rejected
from scorer.errors import Fatal
from scorer.kafka.headers import MOST_HEADERS, Headers, headers_of
from scorer.kafka.writes import CUT, PREFIX, Write

OUR_HEADERS = 10  # at most


class DeadLetters:
    """Makes dead letters of one model's replica.

    Args:
        topic: where they go.
        model: the model's name.
        version: the bundle's version.
    """

    def __init__(self, topic: str, model: str, version: str) -> None:
        self._topic = topic
        self._model, self._version = model.encode(), version.encode()

    def write(self, records: Records, rejected: Rejected) -> Write:
        """Return what is to be written for a row: value, key, timestamp and headers of the event, then ours.

        Args:
            records: the batch, with what the consumer was given in `originals`.
            rejected: the row, and why it cannot be scored.
        """
        row = rejected.row
        headers, left_out = _headers(records, row)
        event = cast("Message", records.originals[row])
        ours = {
            "reason": rejected.reason.encode(),
            "detail": rejected.detail.encode(errors="replace"),
            "topic": records.topics[records.topic[row]].encode(),
            "partition": b"%d" % records.partition[row],
            "offset": b"%d" % records.offset[row],
            "model": self._model,
            "version": self._version,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").encode(),
        }
        letter = Write(
            topic=self._topic,
            value=event.value(),
            key=event.key(),
            headers=[*headers, *((PREFIX + name, value) for name, value in ours.items()), *left_out],
        )
        kind, milliseconds = event.timestamp()
        if kind != TIMESTAMP_NOT_AVAILABLE:
            letter["timestamp"] = milliseconds
        return letter


def _headers(records: Records, row: int) -> tuple[Headers, Headers]:
    """Return the headers of an event that a dead letter can have, and one that says what it cannot."""
    headers = headers_of(cast("Message", records.originals[row]))
    most = MOST_HEADERS - OUR_HEADERS
    if len(headers) > most:
        return headers[:most], ((CUT, f"headers: the first {most} of {len(headers)}".encode()),)
    return headers, ()


class DeadLetterLimit:
    """Stops a replica before it turns a topic into dead letters, for a schema or a model that is wrong.

    Args:
        ratio: of dead letters among the last records that is not to be exceeded, 0 to 1; None for no limit.
        window: how many records that are, and never less: those that have not come yet count as good.
    """

    def __init__(self, ratio: float | None, window: int) -> None:
        self._ratio, self._window = ratio, window
        self._batches: deque[tuple[object, int, Counter[Reason]]] = deque()  # first record, records, dead letters
        self._records = 0
        self._letters: Counter[Reason] = Counter()

    def check(self, records: Records, rejected: Sequence[Rejected]) -> None:
        """Count a batch that is about to be published; one that is tried again counts once.

        Raises:
            Fatal: with it there are too many dead letters.
        """
        if self._ratio is None:
            return
        first = records.topic[0], records.partition[0], records.offset[0]
        if self._batches and self._batches[-1][0] == first:
            self._drop(self._batches.pop())
        self._batches.append((first, len(records), Counter(each.reason for each in rejected)))
        self._records += len(records)
        self._letters.update(self._batches[-1][2])
        while self._records - self._batches[0][1] >= self._window:
            self._drop(self._batches.popleft())
        self._require_few(self._ratio, rejected)

    def add(self, rejected: Rejected) -> None:
        """Count a dead letter more, of the batches that were checked.

        Raises:
            Fatal: with it there are too many.
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
            f"{self._letters.total():,} of the last {records} records cannot be scored, {number:,} of them for "
            f"'{reason}'{detail}: more than kafka.max_dead_letter_ratio allows, {self._ratio:g} of {of:,}. Nothing of "
            "the last batch was published or committed: mend the schema, the model or the producer; or, where such "
            "events are to be dead letters, raise the ratio"
        )
