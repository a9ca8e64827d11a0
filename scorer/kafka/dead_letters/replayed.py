"""What was replayed, remembered in a compacted topic beside the dead-letter topic.

Not as committed offsets of a group: brokers forget those of a group without members, after a week by default, and all
that was ever replayed would be replayed again.
"""

from collections.abc import Iterable
from contextlib import closing

from scorer.batch import Reason
from scorer.kafka.brokers.admin import Admin
from scorer.kafka.brokers.topics import Topic
from scorer.kafka.dead_letters.read import Letter
from scorer.kafka.operate.reader import Reader, Record
from scorer.settings import KafkaSettings

# Partition of the dead-letter topic, reason, input topic and its partition; None there: all of them, as it was
# remembered before partitions were told apart.
Line = tuple[int, Reason, str, int | None]
REFUSED = b"refused"  # the value of a record whose key ends in an offset


class Replayed:
    """Which dead letters were replayed: of each partition, reason and input partition, all below an offset but some.

    One offset is enough because a replay takes the letters of a partition in their order, and its filters take all of
    a reason or none: what one of them leaves out is of another line, and can be replayed later. So is an event whose
    partition does not exist. The exceptions are events that their input topic refused: each is remembered by its own
    offset, until it is replayed.

    Args:
        topic: of the dead letters; what was replayed from another topic of its name is not known here.
        records: what was remembered, oldest first.
    """

    def __init__(self, topic: Topic, records: Iterable[Record]) -> None:
        self._id = topic.id
        self._below: dict[Line, int] = {}
        self._refused: set[tuple[Line, int]] = set()
        self._news: set[tuple[Line, int | None]] = set()  # lines, or with an offset: what was or was not refused
        self.unreadable = 0  # records that do not say what was replayed
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
        """Note that a letter is replayed, and so are all before it on its line but those that were refused."""
        line, offset = _line(letter), letter.record.offset
        self._below[line] = max(self._below.get(line, 0), offset + 1)
        self._news.add((line, None))
        self._accept(line, offset)

    def refuse(self, letter: Letter) -> None:
        """Note that a letter is not replayed, whatever is replayed behind it."""
        refused = _line(letter), letter.record.offset
        if refused not in self._refused:
            self._refused.add(refused)
            self._news.add(refused)

    def forget(self, reason: Reason | None, partition: int | None) -> None:
        """Take letters for not replayed: those of a reason and a partition, None for all."""

        def chosen(line: Line) -> bool:
            return partition in {None, line[0]} and reason in {None, line[1]}

        for line in filter(chosen, self._below):
            self._below[line] = 0
            self._news.add((line, None))
        for line, offset in [refused for refused in self._refused if chosen(refused[0])]:
            self._accept(line, offset)

    def news(self) -> list[tuple[bytes, bytes | None]]:
        """Return what has changed since the last call, as keys and values of records; None deletes a key."""
        news, self._news = self._news, set()
        return [(_key(self._id, line, offset), self._value(line, offset)) for line, offset in news]

    def _accept(self, line: Line, offset: int) -> None:
        if (line, offset) in self._refused:
            self._refused.remove((line, offset))
            self._news.add((line, offset))

    def _value(self, line: Line, offset: int | None) -> bytes | None:
        if offset is None:
            return b"%d" % self._below[line]
        return REFUSED if (line, offset) in self._refused else None


def memory_of(kafka: KafkaSettings) -> str:
    """Return the name of the topic in which is remembered what was replayed."""
    return f"{kafka.dead_letter_topic}.replayed"


def read_replayed(kafka: KafkaSettings, admin: Admin, letters: Topic) -> Replayed:
    """Return what was replayed of a dead-letter topic.

    Raises:
        Unavailable: the brokers do not answer.
        Fatal: they refuse to say.
    """
    if not admin.topics([memory_of(kafka)]):
        return Replayed(letters, ())
    with closing(Reader(kafka, [memory_of(kafka)])) as reader:
        return Replayed(letters, reader.read("beginning", follow=False))


def _line(letter: Letter) -> Line:
    return letter.record.partition, letter.reason, letter.topic, letter.partition


def _key(topic_id: str, line: Line, refused: int | None) -> bytes:
    return " ".join([topic_id, *(str(each) for each in (*line, refused) if each is not None)]).encode()


def _read_key(key: bytes) -> tuple[str, Line, int | None]:
    """Return what a key names: the id of the dead-letter topic, a line, and the offset of a letter that was refused.

    Raises:
        ValueError: it names nothing.
    """
    topic_id, partition, reason, source, *more = key.decode().split(" ")
    source_partition, refused, *rest = [*map(int, more), None, None]
    if any(each is not None for each in rest):
        raise ValueError(key)
    return topic_id, (int(partition), Reason(reason), source, source_partition), refused


def _read_value(value: bytes | None, refused: int | None) -> int:
    """Return the offset below which all is replayed, 0 where it is known of one letter that it was refused.

    Raises:
        ValueError: it is not what a key of that kind has.
    """
    if refused is None:
        return int(value or b"0")
    if value not in {None, REFUSED}:
        raise ValueError(value)
    return 0
