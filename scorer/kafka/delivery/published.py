"""A published batch, which can find and rebuild the write of each of its rows."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from confluent_kafka import KafkaError, Message

from scorer.batch import Payloads, Records, Rejected
from scorer.kafka.carried import Carried
from scorer.kafka.dead_letters.write import DeadLetters
from scorer.kafka.delivery.checkpoint import InFlight
from scorer.kafka.writes import Write, cut

Report = Callable[[KafkaError | None, Message | None], None]


class Published:
    """The writes of one batch, one for each row: its prediction, or its dead letter.

    Args:
        topic: the topic of the predictions.
        letters: makes the dead letters.
        records: the batch.
        payloads: its predictions.
        rejected: its rejected rows.
        batch: counts the acknowledgements.
        carried: headers of the predictions, by row; None if they have none. A write that has to be tried again, since
            it or one beside it was refused, is tried without: no trace makes a prediction too large for its topic.
    """

    def __init__(  # noqa: PLR0913, PLR0917  all parts of a batch
        self,
        topic: str,
        letters: DeadLetters,
        records: Records,
        payloads: Payloads,
        rejected: Sequence[Rejected],
        batch: InFlight,
        carried: Carried | None = None,
    ) -> None:
        self.records, self.payloads, self.batch, self.carried = records, payloads, batch, carried
        self._topic, self._letters = topic, letters
        self._rejected = {each.row: each for each in rejected}
        self._cut: set[int] = set()

    @property
    def rows(self) -> Sequence[int]:
        """All rows, ascending."""
        return range(len(self.records))

    @property
    def letters(self) -> list[int]:
        """The rows whose write is a dead letter."""
        return list(self._rejected)

    @property
    def ordinary(self) -> int:
        """The bytes of a prediction whose event has neither a key nor an id."""
        return self.payloads.ordinary or int(np.diff(self.payloads.ends, prepend=0).min(initial=1 << 62))

    def write(self, row: int) -> Write:
        """Return the write of a row."""
        if (rejected := self._rejected.get(row)) is not None:
            letter = self._letters.write(self.records, rejected)
            return cut(letter) if row in self._cut else letter
        _, start, end = _span(self.payloads, row)
        return Write(topic=self._topic, value=self.payloads.data[start:end], key=self.records.keys[row])

    def is_letter(self, row: int) -> bool:
        """Whether the write of a row is a dead letter."""
        return row in self._rejected

    def row_of(self, prediction: bytes) -> int:
        """Return the row of a prediction; predictions are unique, since each contains its event's offset."""
        ends, at = self.payloads.ends, self.payloads.data.index(prediction)
        while at and at not in ends:  # found inside another prediction
            at = self.payloads.data.index(prediction, at + 1)
        return int(self.payloads.rows[int(np.searchsorted(ends, at, "right"))])

    def reject(self, rejected: Rejected) -> None:
        """Replace the prediction of a row by a dead letter, which names the version that scored it."""
        rejected = replace(rejected, version=rejected.version or self.payloads.version(rejected.row))
        self._rejected[rejected.row] = rejected
        self.batch.unwritable.append(rejected)
        self.payloads = _without(self.payloads, rejected.row)

    def is_cut(self, row: int) -> bool:
        """Whether the dead letter of a row contains only a part of its event."""
        return row in self._cut

    def cut(self, row: int) -> None:
        """Cut the dead letter of a row, so that it contains only a part of its event."""
        self._cut.add(row)

    def place(self, row: int) -> tuple[int, int, int]:
        """Return the topic (by its index in the batch), the partition and the offset of a row's event."""
        records = self.records
        return int(records.topic[row]), int(records.partition[row]), int(records.offset[row])

    def named(self, row: int) -> str:
        """Describe the write of a row, such as "the prediction of flights-0@17"."""
        records = self.records
        place = f"{records.topics[records.topic[row]]}-{records.partition[row]}@{records.offset[row]}"
        return f"the {'dead letter' if self.is_letter(row) else 'prediction'} of {place}"


def _span(payloads: Payloads, row: int) -> tuple[int, int, int]:
    """Return the index of a row's prediction, and its start and end in the data."""
    at = int(np.searchsorted(payloads.rows, row))
    return at, int(payloads.ends[at - 1]) if at else 0, int(payloads.ends[at])


def _without(payloads: Payloads, row: int) -> Payloads:
    at, start, end = _span(payloads, row)
    ends = np.delete(payloads.ends, at)
    ends[at:] -= end - start
    data = payloads.data[:start] + payloads.data[end:]
    return replace(payloads, rows=np.delete(payloads.rows, at), data=data, ends=ends)
