"""Dead letters as they are read back."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from scorer.batch import Reason
from scorer.kafka.headers import Headers
from scorer.kafka.operate.reader import Reader, Record
from scorer.kafka.writes import CUT, PREFIX
from scorer.settings import KafkaSettings

_TEXTS = ("reason", "detail", "topic", "model", "version", "time")
MOST = {"partition": 2**31 - 1, "offset": 2**63 - 1}  # the headers that are numbers, and the largest of each
_MOST_REPLAYS = 2**63 - 2  # so that one more is a number, too
_SHOWN_CHARACTERS = 40  # of a header that is not what it should be


class NotALetter(ValueError):
    """A record of the dead-letter topic that is none of ours; the text says why."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    record:  as it lies in its topic: where it is, and the event.
    reason:  why the event could not be scored; `detail` says more.
    topic:   where the event was read, with `partition` and `offset`.
    model:   what was to score it, with `version`.
    time:    when that was, ISO 8601.
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
        """Where the letter is, as commands take it."""
        return f"{self.record.partition}@{self.record.offset}"

    @property
    def cut(self) -> bool:
        """Whether it holds a part of its event only, since no broker takes the whole."""
        return self.record.headers[-1][0] == CUT  # one of that name that comes earlier is the event's

    @property
    def headers(self) -> Headers:
        """The headers that the event had when it was written for the first time."""
        return tuple(header for header in self.record.headers if not header[0].startswith(PREFIX))


def open_letter(record: Record) -> Letter:
    """Return the dead letter that a record is.

    Raises:
        NotALetter: it has not the headers of one.
    """
    # The last of a name: an event may have come with headers of ours, from a dead letter that was copied by hand.
    said = {name.removeprefix(PREFIX): value for name, value in record.headers if name.startswith(PREFIX)}
    if absent := [name for name in (*_TEXTS, *MOST) if name not in said]:
        raise NotALetter(f"it has no header {PREFIX}{absent[0]}")
    text = {name: (said[name] or b"").decode(errors="replace") for name in said}
    partition, offset = (_number(text[name], name) for name in MOST)
    if text["reason"] not in set(Reason):
        raise NotALetter(f"its header {PREFIX}reason is '{_cut(text['reason'])}'; expected one of {', '.join(Reason)}")
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
    """Return the number that a text is, None where it is none from 0 to `most`; of a text of any length."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if number <= most else None


def _number(text: str, name: str) -> int:
    number = whole_number(text, MOST[name])
    if number is None:
        expected = f"a number from 0 to {MOST[name]}"
        raise NotALetter(f"its header {PREFIX}{name} is '{_cut(text)}'; expected {expected}")
    return number


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}... ({len(text):,} characters)"


class Letterbox:
    """The dead letters that there are when reading begins, in the order of each partition.

    Args:
        kafka: where they are.
        reason: the only one to read; None reads all.
        partition: of the dead-letter topic, in the same way.
    """

    def __init__(self, kafka: KafkaSettings, reason: Reason | None = None, partition: int | None = None) -> None:
        self._kafka, self._reason, self._partition = kafka, reason, partition
        self.unrecognised = 0  # records that are no dead letters
        self.first_unrecognised = ""  # where the first of them is, and why it is none

    def __iter__(self) -> Iterator[Letter]:
        """Yield the letters.

        Raises:
            Unavailable: the brokers do not answer.
            Fatal: the topic or the partition is not there, or we may not read it.
        """
        with closing(Reader(self._kafka, [self._kafka.dead_letter_topic], self._partition)) as reader:
            for record in reader.read("beginning", follow=False):
                try:
                    letter = open_letter(record)
                except NotALetter as error:
                    self.unrecognised += 1
                    self.first_unrecognised = self.first_unrecognised or f"{record.partition}@{record.offset}: {error}"
                    continue
                if self._reason in {None, letter.reason}:
                    yield letter
