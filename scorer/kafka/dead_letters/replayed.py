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


class Replayed:
    """Which dead letters were replayed: of each partition, reason and input partition, all below an offset.

    One offset is enough because a replay takes the letters of a partition in their order, and its filters take all of
    a reason or none: what one of them leaves out is of another line, and can be replayed later. So is an event whose
    partition does not exist.

    Args:
        topic: of the dead letters; what was replayed from another topic of its name is not known here.
        records: what was remembered, oldest first.
    """

    def __init__(self, topic: Topic, records: Iterable[Record]) -> None:
        self._id = topic.id
        self._below: dict[Line, int] = {}
        self._news: set[Line] = set()
        self.unreadable = 0  # records that do not say what was replayed
        for record in records:
            try:
                topic_id, line, below = _read(record)
            except ValueError:
                self.unreadable += 1
                continue
            if topic_id == self._id:
                self._below[line] = below

    def __contains__(self, letter: Letter) -> bool:
        """Whether a letter was replayed."""
        line = _line(letter)
        return letter.record.offset < max(self._below.get(line, 0), self._below.get((*line[:3], None), 0))

    def add(self, letter: Letter) -> None:
        """Note that a letter is replayed, and so all before it on its line."""
        self._below[_line(letter)] = letter.record.offset + 1
        self._news.add(_line(letter))

    def forget(self, reason: Reason | None, partition: int | None) -> None:
        """Take letters for not replayed: those of a reason and a partition, None for all."""
        for line in self._below:
            if partition in {None, line[0]} and reason in {None, line[1]}:
                self._below[line] = 0
                self._news.add(line)

    def news(self) -> list[tuple[bytes, bytes]]:
        """Return what has changed since the last call, as keys and values of records."""
        news, self._news = self._news, set()
        return [(_key(self._id, line), b"%d" % self._below[line]) for line in news]


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


def _key(topic_id: str, line: Line) -> bytes:
    return " ".join([topic_id, *(str(each) for each in line if each is not None)]).encode()


def _read(record: Record) -> tuple[str, Line, int]:
    """Return what a record remembers: the id of the dead-letter topic, a line, and its offset.

    Raises:
        ValueError: it remembers nothing.
    """
    topic_id, partition, reason, source, *more = (record.key or b"").decode().split(" ")
    (source_partition,) = map(int, more) if more else (None,)
    line = int(partition), Reason(reason), source, source_partition
    return topic_id, line, int(record.value or b"0")
