"""Dead letters as they are read back."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from scorer.batch import Reason
from scorer.kafka.reader import Headers, Reader, Record
from scorer.kafka.writes import CUT, PREFIX
from scorer.settings import KafkaSettings

_TEXTS = ("reason", "detail", "topic", "model", "version", "time")
_NUMBERS = ("partition", "offset")


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
    if absent := [name for name in (*_TEXTS, *_NUMBERS) if name not in said]:
        raise NotALetter(f"it has no header {PREFIX}{absent[0]}")
    text = {name: (said[name] or b"").decode(errors="replace") for name in said}
    for name in _NUMBERS:
        if not text[name].isdecimal():
            raise NotALetter(f"its header {PREFIX}{name} is '{text[name]}'; expected a number")
    if text["reason"] not in set(Reason):
        raise NotALetter(f"its header {PREFIX}reason is '{text['reason']}'; expected one of {', '.join(Reason)}")
    replays = text.get("replays", "")
    return Letter(
        record=record,
        reason=Reason(text["reason"]),
        detail=text["detail"],
        topic=text["topic"],
        partition=int(text["partition"]),
        offset=int(text["offset"]),
        model=text["model"],
        version=text["version"],
        time=text["time"],
        replays=int(replays) if replays.isdecimal() else 0,
    )


class Letterbox:
    """The dead letters that there are when reading begins, in the order of each partition.

    Args:
        kafka: where they are.
        reason: the only one to read; None reads all.
        partition: of the dead-letter topic, in the same way.
    """

    def __init__(self, kafka: KafkaSettings, reason: Reason | None = None, partition: int | None = None) -> None:
        self._kafka, self._reason, self._partition = kafka, reason, partition
        self.strangers = 0  # records that are no dead letters
        self.stranger = ""  # where the first of them is, and why it is none

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
                    self.strangers += 1
                    self.stranger = self.stranger or f"{record.partition}@{record.offset}: {error}"
                    continue
                if self._reason in {None, letter.reason}:
                    yield letter
