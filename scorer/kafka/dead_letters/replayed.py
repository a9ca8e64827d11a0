"""Which dead letters were replayed, as recorded in a compacted topic beside the dead-letter topic.

Committed offsets of a group would not do: brokers delete the offsets of a group without members, after a week by
default, and every letter would then be replayed again.
"""

from collections.abc import Iterable
from contextlib import closing

from scorer.batch import Reason
from scorer.kafka.brokers.admin import Admin
from scorer.kafka.brokers.topics import Topic
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.operate.reader import Reader, Record
from scorer.settings import KafkaSettings

# The partition of the dead-letter topic, the reason, the input topic and its partition. Old records have no input
# partition: None then stands for all.
Line = tuple[int, Reason, str, int | None]
REFUSED = b"refused"  # the value of a record whose key ends with an offset


class Replayed:
    """Knows which dead letters were replayed.

    A line is a partition of the dead-letter topic, a reason and an input partition. On each line, all letters below an
    offset were replayed, with exceptions. One offset is enough because a replay takes the letters of a partition in
    order, and its filters take a whole line or none: letters that a filter skips are on other lines and can be replayed
    later, and so are events whose partition does not exist. The exceptions are events that their input topic refused:
    each is recorded by its own offset until it is replayed.

    Args:
        topic: the dead-letter topic; records about an earlier topic of the same name are ignored.
        records: the records of the compacted topic, oldest first.
    """

    def __init__(self, topic: Topic, records: Iterable[Record]) -> None:
        self._id = topic.id
        self._below: dict[Line, int] = {}
        self._refused: set[tuple[Line, int]] = set()
        self._changes: set[tuple[Line, int | None]] = set()  # lines; with an offset: letters whose refusal changed
        self.unreadable = 0  # records of an unknown form
        for record in records:
            try:
                topic_id, line, refused = _read_key(record.key or b"")
                below = _read_value(record.value, refused)
            except ValueError:
                self.unreadable += 1
                continue
            if topic_id != self._id:
                continue
            if refused is None:
                self._below[line] = below
            elif record.value is None:
                self._refused.discard((line, refused))
            else:
                self._refused.add((line, refused))

    def __contains__(self, letter: Letter) -> bool:
        """Whether a letter was replayed."""
        line, offset = _line(letter), letter.record.offset
        below = max(self._below.get(line, 0), self._below.get((*line[:3], None), 0))
        return offset < below and (line, offset) not in self._refused

    def add(self, letter: Letter) -> None:
        """Note that a letter and all letters before it on its line are replayed, except those that were refused."""
        line, offset = _line(letter), letter.record.offset
        self._below[line] = max(self._below.get(line, 0), offset + 1)
        self._changes.add((line, None))
        self._accept(line, offset)

    def refuse(self, letter: Letter) -> None:
        """Note that a letter is not replayed, even if later letters of its line are."""
        refused = _line(letter), letter.record.offset
        if refused not in self._refused:
            self._refused.add(refused)
            self._changes.add(refused)

    def forget(self, reason: Reason | None, partition: int | None) -> None:
        """Mark letters as not replayed: those of a reason and a partition, where None means all."""

        def chosen(line: Line) -> bool:
            return partition in {None, line[0]} and reason in {None, line[1]}

        for line in filter(chosen, self._below):
            self._below[line] = 0
            self._changes.add((line, None))
        for line, offset in [refused for refused in self._refused if chosen(refused[0])]:
            self._accept(line, offset)

    def state(self) -> dict[tuple[Line, int | None], int]:
        """Return the offset of each line, and 0 for each refused letter."""
        return {(line, None): below for line, below in self._below.items()} | dict.fromkeys(self._refused, 0)

    def is_current(self, again: "Replayed") -> bool:
        """Whether the topic, read again, says the same as this, apart from our changes that are not written yet."""
        known, found = self.state(), again.state()
        return all(known.get(each) == found.get(each) for each in (known.keys() | found.keys()) - self._changes)

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return the changes since the last call as keys and values of records; the value None deletes a key."""
        changes, self._changes = self._changes, set()
        return [(_key(self._id, line, offset), self._value(line, offset)) for line, offset in changes]

    def _accept(self, line: Line, offset: int) -> None:
        if (line, offset) in self._refused:
            self._refused.remove((line, offset))
            self._changes.add((line, offset))

    def _value(self, line: Line, offset: int | None) -> bytes | None:
        if offset is None:
            return b"%d" % self._below[line]
        return REFUSED if (line, offset) in self._refused else None


def replayed_topic(kafka: KafkaSettings) -> str:
    """Return the name of the topic that records which letters were replayed."""
    return f"{kafka.dead_letter_topic}.replayed"


def read_replayed(kafka: KafkaSettings, admin: Admin, letters: Topic) -> Replayed:
    """Read which letters of a dead-letter topic were replayed.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: the brokers refuse the request.
    """
    if not admin.topics([replayed_topic(kafka)]):
        return Replayed(letters, ())
    with closing(Reader(kafka, [replayed_topic(kafka)])) as reader:
        return Replayed(letters, reader.read("beginning", follow=False))


def _line(letter: Letter) -> Line:
    return letter.record.partition, letter.reason, letter.topic, letter.partition


def _key(topic_id: str, line: Line, refused: int | None) -> bytes:
    return " ".join([topic_id, *(str(each) for each in (*line, refused) if each is not None)]).encode()


def _read_key(key: bytes) -> tuple[str, Line, int | None]:
    """Parse a key: the id of the dead-letter topic, a line, and the offset of a refused letter or None.

    Raises:
        ValueError: the key has an unknown form.
    """
    topic_id, partition, reason, source, *more = key.decode().split(" ")
    source_partition, refused, *rest = [*map(int, more), None, None]
    if any(each is not None for each in rest):
        raise ValueError(key)
    return topic_id, (int(partition), Reason(reason), source, source_partition), refused


def _read_value(value: bytes | None, refused: int | None) -> int:
    """Parse a value: the offset below which all letters are replayed; 0 if the record is about one refused letter.

    Raises:
        ValueError: the value has an unknown form.
    """
    if refused is None:
        return int(value or b"0")
    if value not in {None, REFUSED}:
        raise ValueError(value)
    return 0
