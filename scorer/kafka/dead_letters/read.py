"""Reads dead letters back."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from scorer.batch import Reason
from scorer.kafka.headers import Headers
from scorer.kafka.operate.reader import Reader, Record
from scorer.kafka.writes import CUT, PREFIX
from scorer.settings import KafkaSettings

_TEXTS = ("reason", "detail", "topic", "model", "version", "time")
MOST = {"partition": 2**31 - 1, "offset": 2**63 - 1}  # the numeric headers, and the largest value of each
_MOST_REPLAYS = 2**63 - 2  # leaves room for one more replay
_SHOWN_CHARACTERS = 40  # the characters of an invalid header that an error shows


class NotADeadLetter(ValueError):
    """A record of the dead-letter topic that is not a dead letter; the text says why."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    record:  the record in the dead-letter topic, which contains the event.
    reason:  why the event could not be scored; `detail` says more.
    topic:   the topic of the event; `partition` and `offset` are its position there.
    model:   the model that rejected the event; `version` is its version.
    time:    when the event was rejected, ISO 8601.
    replays: how often the event had been replayed before it became this letter.
    """

    record: Record
    reason: Reason
    detail: str
    topic: str
    partition: int
    offset: int
    model: str
    version: str
    time: str
    replays: int

    @property
    def place(self) -> str:
        """The position of the letter in the format of the commands, such as `0@17`."""
        return f"{self.record.partition}@{self.record.offset}"

    @property
    def cut(self) -> bool:
        """Whether it contains only a part of its event, because no broker would accept the whole event."""
        return self.record.headers[-1][0] == CUT  # an earlier header of that name belongs to the event

    @property
    def headers(self) -> Headers:
        """The headers of the original event."""
        return tuple(header for header in self.record.headers if not header[0].startswith(PREFIX))


def open_letter(record: Record) -> Letter:
    """Parse a record as a dead letter.

    Raises:
        NotADeadLetter: a header is missing or invalid.
    """
    # The last header of each name counts: an event may already have such headers if somebody copied a dead letter.
    said = {name.removeprefix(PREFIX): value for name, value in record.headers if name.startswith(PREFIX)}
    if absent := [name for name in (*_TEXTS, *MOST) if name not in said]:
        raise NotADeadLetter(f"it has no header {PREFIX}{absent[0]}")
    text = {name: (said[name] or b"").decode(errors="replace") for name in said}
    partition, offset = (_number(text[name], name) for name in MOST)
    if text["reason"] not in set(Reason):
        expected = f"one of {', '.join(Reason)}"
        raise NotADeadLetter(f"its header {PREFIX}reason is '{_cut(text['reason'])}'; expected {expected}")
    return Letter(
        record=record,
        reason=Reason(text["reason"]),
        detail=text["detail"],
        topic=text["topic"],
        partition=partition,
        offset=offset,
        model=text["model"],
        version=text["version"],
        time=text["time"],
        replays=whole_number(text.get("replays", ""), _MOST_REPLAYS) or 0,
    )


def whole_number(text: str, most: int) -> int | None:
    """Parse a text of any length as a number; return None if it is not a number from 0 to `most`."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if number <= most else None


def _number(text: str, name: str) -> int:
    number = whole_number(text, MOST[name])
    if number is None:
        expected = f"a number from 0 to {MOST[name]}"
        raise NotADeadLetter(f"its header {PREFIX}{name} is '{_cut(text)}'; expected {expected}")
    return number


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}... ({len(text):,} characters)"


class Letterbox:
    """The dead letters that exist when reading starts, in the order of each partition.

    Args:
        kafka: the brokers and the dead-letter topic.
        reason: the only reason to read; None reads all.
        partition: the only partition of the dead-letter topic to read; None reads all.
    """

    def __init__(self, kafka: KafkaSettings, reason: Reason | None = None, partition: int | None = None) -> None:
        self._kafka, self._reason, self._partition = kafka, reason, partition
        self.unrecognised = 0  # records that are not dead letters
        self.first_unrecognised = ""  # the position of the first of them, and why it is not a dead letter

    def __iter__(self) -> Iterator[Letter]:
        """Yield the letters.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the topic or the partition does not exist, or we may not read it.
        """
        with closing(Reader(self._kafka, [self._kafka.dead_letter_topic], self._partition)) as reader:
            for record in reader.read("beginning", follow=False):
                try:
                    letter = open_letter(record)
                except NotADeadLetter as error:
                    self.unrecognised += 1
                    self.first_unrecognised = self.first_unrecognised or f"{record.partition}@{record.offset}: {error}"
                    continue
                if self._reason in {None, letter.reason}:
                    yield letter
